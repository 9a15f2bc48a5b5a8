"""What people do with the buttons of pages, for the audit trail: one place for every view of the admin.

Changes of rows are told with their values (osgp/audit/changes.py); this tells of the page, the action and the
rows that were selected, also where nothing was changed but something was asked for.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LONGEST = 100
"""Characters of a name, and selected rows that are named."""
_WRITES = ("INSERT", "UPDATE", "DELETE", "EXECUTE", "WITH")
_PASSING = ("django_session",)


class WriteWatch:
    """Notices whether statements write, beside the session."""

    def __init__(self) -> None:
        self.has_written = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Execute a statement."""
        text = str(sql).lstrip()
        if text.startswith(_WRITES) and not any(name in text for name in _PASSING):
            self.has_written = True
        return execute(sql, params, many, context)


def told_post(
    view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any
) -> HttpResponse:
    """Answer; of a call that changes something or leads on, tell in the same transaction.

    A form that is shown again with its errors is no event, nor is a search.
    """
    if request.method in SAFE:
        return view(request, *args, **kwargs)
    watch = WriteWatch()
    with transaction.atomic():
        with connection.execute_wrapper(watch):
            response = view(request, *args, **kwargs)
        if response.status_code < 400 and (watch.has_written or response.status_code >= 300):
            record(AuditEvent.PAGE_POSTED, details=_describe(request, kwargs))
    return response


def _describe(request: HttpRequest, kwargs: Any) -> dict[str, Any]:
    """The page, the row, the action and the names of the fields: never their values."""
    found = request.resolver_match
    told: dict[str, Any] = {"page": found.url_name if found else request.path[:LONGEST]}
    if "object_id" in kwargs:
        told["object"] = str(kwargs["object_id"])[:LONGEST]
    if action := request.POST.get("action"):
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        told["action"] = action[:LONGEST]
        told["selected"] = [str(key)[:LONGEST] for key in selected[:LONGEST]]
        told["number"] = len(selected)
        told["all"] = request.POST.get("select_across") == "1"
    told["fields"] = sorted(
        name[:LONGEST] for name in request.POST if name not in {"csrfmiddlewaretoken", ACTION_CHECKBOX_NAME}
    )[:LONGEST]
    return told
