"""Query parameters and pages of lists. A cursor holds the end of a page, so that new rows shift nothing."""

import base64
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest

from osgp.messages.registry import UnknownMessage, find_operation
from osgp.messages.serializers import (
    FIRST_YEAR,
    LAST_YEAR,
    CharField,
    IntegerField,
    StrictSerializer,
    make_printable,
)

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE = 1000

Row = TypeVar("Row", bound=Model)


class PageSizeField(IntegerField):
    """1 to ``largest``, in the digits of a query parameter."""

    default_error_messages = {"invalid": "Must be a number from 1 to {largest}."}

    def __init__(self, *, largest: int = LARGEST_PAGE, **options: Any) -> None:
        self._largest = largest
        super().__init__(min_value=1, max_value=largest, **options)

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= 4):
            self.fail("invalid", largest=self._largest)
        return int(data)


class MessageNameField(CharField):
    """The name of a registered message: with a misspelt one, the list would be empty."""

    default_error_messages = {"unknown": "There is no message {name}."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, help_text="Name of a message.", **options)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        try:
            find_operation(name)
        except UnknownMessage:
            self.fail("unknown", name=make_printable(name))
        return name


class PageQuery(StrictSerializer):
    """Query parameters of all lists; each list adds its filters."""

    page_size = PageSizeField(required=False, help_text=f"Rows in a page; {DEFAULT_PAGE_SIZE} by default.")
    cursor = CharField(required=False, max_length=200, help_text='From the Link header with rel="next".')


def validate_query(
    serializer: type[StrictSerializer], query: QueryDict, *, repeatable: Collection[str] = ()
) -> dict[str, Any]:
    """Return query parameters by name, with a list for each repeatable one.

    Raises ValidationError for invalid, unknown and wrongly repeated parameters.
    """
    repeated = {
        name: ["May be given once."]
        for name, values in query.lists()
        if len(values) > 1 and name not in repeatable
    }
    if repeated:
        raise ValidationError(repeated)
    lists = {name: query.getlist(name) for name in repeatable if name in query}
    parsed = serializer(data={**query.dict(), **lists})
    parsed.is_valid(raise_exception=True)
    validated: dict[str, Any] = parsed.validated_data
    return validated


def fetch_page(
    rows: QuerySet[Row], query: Mapping[str, Any], *, by: str = "created_at"
) -> tuple[list[Row], str | None]:
    """Fetch a page of ``rows`` by the time ``by``, latest first, and the cursor of the next page, if any."""
    size = query.get("page_size", DEFAULT_PAGE_SIZE)
    if cursor := query.get("cursor"):
        moment, key = _parse_cursor(cursor)
        rows = rows.filter(**{f"{by}__lte": moment}).filter(Q(**{f"{by}__lt": moment}) | Q(pk__lt=key))
    found = list(rows.order_by(f"-{by}", "-pk")[: size + 1])
    return found[:size], _format_cursor(found[size - 1], by) if len(found) > size else None


def fetch_numbered_page(rows: QuerySet[Row], query: Mapping[str, Any]) -> tuple[list[Row], str | None]:
    """Fetch a page of ``rows`` by primary key, lowest first, and the cursor of the next page, if any."""
    size = query.get("page_size", DEFAULT_PAGE_SIZE)
    if cursor := query.get("cursor"):
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise ValidationError({"cursor": ["Must come from a Link header."]})
        rows = rows.filter(pk__gt=int(cursor))
    found = list(rows.order_by("pk")[: size + 1])
    return found[:size], str(found[size - 1].pk) if len(found) > size else None


def build_next_page_link(request: HttpRequest, cursor: str | None) -> dict[str, str]:
    """Return the Link header (RFC 8288) to the next page; none for the last page."""
    if cursor is None:
        return {}
    query = request.query_params.copy()
    query["cursor"] = cursor
    # Without a host: callers know by which name they reach the platform, and send their token there.
    return {"Link": f'<{request.path}?{query.urlencode()}>; rel="next"'}


def _format_cursor(row: Any, by: str) -> str:
    return base64.urlsafe_b64encode(f"{getattr(row, by).isoformat()} {row.pk}".encode()).decode()


def _parse_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        moment, _, key = text.partition(" ")
        created_at, pk = datetime.fromisoformat(moment), int(key[:20])
        # Other times than those of our own cursors may be out of range for the database or its driver.
        is_ours = created_at.tzinfo == UTC and FIRST_YEAR <= created_at.year <= LAST_YEAR
        if not is_ours or not 0 <= pk < 2**63:
            raise ValueError(cursor)
    except ValueError:
        raise ValidationError({"cursor": ["Must come from a Link header."]}) from None
    return created_at, pk
