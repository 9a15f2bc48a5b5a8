"""Exports, told before the first row leaves."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent

MOST_VALUES = 20
"""Values of one filter that are named."""


@transaction.atomic
def tell_export(
    what: str, kind: str, filters: Iterable[tuple[str, Any]], organisation: str | None = None
) -> None:
    """Tell that rows are exported: which ones (lists or values of filters by name), and in which format."""
    asked = {name: value[:MOST_VALUES] if isinstance(value, list) else value for name, value in filters}
    details = {"what": what, "format": kind, "filters": asked}
    record(AuditEvent.EXPORTED, organisation=organisation, details=details)
