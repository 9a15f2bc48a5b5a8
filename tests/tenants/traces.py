"""What of an organisation is in an answer to somebody else, and what of its rows has changed."""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model, UUIDField

from osgp import request_id
from tests.tenants.estate import NAME, READ

Rows = Mapping[str, frozenset[str]]
"""By table, what its rows are."""

MAY_CHANGE = {
    "accounts_apitoken": {"last_used_at"},
    "accounts_user": {"last_login"},
    "accounts_organisation": {"waiting_requests"},
}
"""Columns that tell only that somebody called, and how much of its own an organisation has waiting."""
NOT_LOOKED_AT = {"django_session", "audit_auditentry"}
"""Sessions of the callers, and what they did."""


def collect_uids() -> frozenset[str]:
    """All UUIDs of all rows there are, in the two ways in which they are written."""
    uids: set[uuid.UUID] = set()
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, UUIDField):
                uids.update(model._base_manager.values_list(column.name, flat=True))
    return frozenset(text for uid in uids if uid is not None for text in (str(uid), uid.hex))


class Traces:
    """Finds what belongs to the organisation of the estate in an answer."""

    def __init__(self, uids: Iterable[str]) -> None:
        self._uids = frozenset(uids)

    def find(self, answer: Any, sent: str = "") -> list[str]:
        """Return what of it is in an answer, headers included, but for what the caller itself has ``sent``.

        What was sent may come back, as in "There is no device AQUARIUSMETER1."
        """
        text = read_answer(answer)
        words = set(re.findall(rf"[\w.@-]*{NAME}[\w.@-]*", text, re.IGNORECASE))
        found = {word.strip(".-") for word in words}
        found |= set(re.findall(rf"\b{re.escape(READ)}\d*", text))
        found |= {word for word in re.findall(r"[0-9a-f-]{32,36}", text) if word in self._uids}
        return sorted(word for word in found if word.lower() not in sent.lower())


def read_answer(answer: Any) -> str:
    """The body and the headers as one text, what stands in links as people read it."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    # The id is another one for each call.
    headers = "\n".join(f"{name}: {value}" for name, value in answer.items() if name != request_id.HEADER)
    cookies = "\n".join(str(cookie) for cookie in answer.cookies.values())
    return unquote(f"{headers}\n{cookies}\n{body.decode(errors='replace')}")


@contextmanager
def rolled_back() -> Iterator[None]:
    """Nothing stays of what is stored meanwhile."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def list_rows() -> dict[str, frozenset[str]]:
    """Return all rows of all tables of models."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        if table in NOT_LOOKED_AT or not model._meta.managed:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT {_list_columns(model)} FROM "{table}"')  # noqa: S608 (names of models)
            found[table] = frozenset(repr(tuple(map(_plain, row))) for row in cursor.fetchall())
    return found


def find_changes(before: Rows, after: Rows, *, new: bool = False) -> dict[str, list[str]]:
    """Return, by table, rows that are not as they were any more; also ``new`` ones if wanted."""
    changes: dict[str, list[str]] = {}
    for table, rows in after.items():
        changed = before[table] ^ rows if new else before[table] - rows
        if changed:
            changes[table] = sorted(changed)
    return changes


def _list_columns(model: type[Model]) -> str:
    table = model._meta.db_table
    columns = [column.column for column in model._meta.concrete_fields]
    return ", ".join(f'"{name}"' for name in columns if name not in MAY_CHANGE.get(table, ()))


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
