"""Formats of answers: by ``format`` or Accept. JSON comes in pages, others as a whole while they are made."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request as HttpRequest

CSV = "text/csv"
NDJSON = "application/x-ndjson"


class StreamedRenderer(BaseRenderer):
    """The view itself makes the answers; errors, which come through here, are JSON."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Render a problem as JSON."""
        rendered: bytes = JSONRenderer().render(data)
        return rendered


class CsvRenderer(StreamedRenderer):
    media_type = CSV
    format = "csv"
    charset = "utf-8"


class NdjsonRenderer(StreamedRenderer):
    media_type = NDJSON
    format = "ndjson"
    charset = None


class FormatNegotiation(DefaultContentNegotiation):
    """By ``format``, then by Accept. The view refuses an unknown ``format`` and names the field."""

    def select_renderer(
        self, request: HttpRequest, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type. Raises NotAcceptable, 406."""
        renderers = list(renderers)
        asked = request.query_params.get("format")
        for renderer in renderers:
            if renderer.format == asked:
                return renderer, str(renderer.media_type)
        if asked is not None:
            return renderers[0], str(renderers[0].media_type)
        for accepted in self.get_accept_list(request):
            kind = accepted.partition(";")[0].strip().lower()
            for renderer in renderers:
                media_type = str(renderer.media_type)
                if kind in {media_type, "*/*", f"{media_type.partition('/')[0]}/*"}:
                    return renderer, media_type
        raise NotAcceptable(available_renderers=renderers)
