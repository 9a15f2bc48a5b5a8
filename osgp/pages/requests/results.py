"""Results on the page of a request: drawn as tables, or if too large, the beginning and a download."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from osgp.pages.shared.display_values import find_secret_fields, redact_text, show
from osgp.requests.models import Action
from osgp.requests.result_texts import COLUMNS, PIECE, ResultText, put_texts, with_texts

LARGEST_DRAWN = 512 * 1024
"""Characters of JSON; those of the longest reads have half of it."""
BEGINNING = 4_000
"""Characters of a larger one that the page shows."""


def load_actions(rows: QuerySet[Action], first: int, size: int) -> list[Action]:
    """Load a page of actions, with ResultTexts. One query."""
    actions = list(with_texts(rows, LARGEST_DRAWN)[first : first + size])
    put_texts(actions, LARGEST_DRAWN)
    return actions


def parse(text: ResultText | None) -> Any:
    """Return a result that is small enough to be drawn; else None."""
    return json.loads(text.begin) if text is not None and text.is_whole else None


def show_result(action: Action, text: ResultText | None, secrets: frozenset[str]) -> SafeString | str:
    """A result as HTML; empty if there is none."""
    if text is None:
        return ""
    if text.is_whole:
        return show(json.loads(text.begin), secrets)
    url = reverse("admin:requests_request_result", args=[action.request_id, action.position, text.column])
    return format_html(
        '<p>Too large to be drawn here. <a href="{}">Download all of it</a> as JSON; it begins with:</p>'
        "<pre>{}</pre>",
        url,
        redact_text(text.begin, secrets)[:BEGINNING],
    )


class ResultAdmin(admin.ModelAdmin):
    """Of requests: an address more, where a result is downloaded as a whole."""

    def get_urls(self) -> list[URLPattern]:
        view = require_safe(self.admin_site.admin_view(self.result_view))
        address = "<int:request_id>/results/<int:position>/<str:column>.json"
        return [path(address, view, name="requests_request_result"), *super().get_urls()]

    def result_view(
        self, request: HttpRequest, request_id: int, position: int, column: str
    ) -> HttpResponseBase:
        """Send the result of an action without its secrets."""
        row = self.get_object(request, str(request_id))
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        actions = load_actions(Action.objects.filter(request=row, position=position), 0, 1)
        text = getattr(actions[0], column) if actions and column in COLUMNS else None
        if text is None:
            raise Http404
        name = f"{row.message}-{row.correlation_uid}-{position + 1}.json"
        return StreamingHttpResponse(
            _write(text, find_secret_fields(actions[0].message)),
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _write(text: ResultText, secrets: frozenset[str]) -> Iterator[bytes]:
    shown = redact_text(text.load(), secrets)
    for start in range(0, len(shown), PIECE):
        yield shown[start : start + PIECE].encode()
