"""Calls with the names of something, and what is compared of their answers."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.tenants.traces import Rows, find_changes, list_rows, read_answer, rolled_back
from tests.tenants.world import Caller


class Prepared(NamedTuple):
    """A call with the names of something that is there, or nowhere."""

    method: str
    path: str
    query: dict[str, Any]
    body: Any

    def call(self, caller: Caller, **headers: str) -> Any:
        """The answer."""
        return caller.call(self.method, self.path, query=self.query, body=self.body, **headers)

    def send(self, caller: Caller, **headers: str) -> Any:
        """The answer; nothing stays of what it has changed."""
        with rolled_back():
            return self.call(caller, **headers)

    @property
    def sent(self) -> str:
        return json.dumps([self.path, self.query, self.body])


def describe(answer: Any, prepared: Prepared) -> tuple[int, str]:
    """What must not depend on whether something exists: the answer without what was sent with the call.

    Without what each answer has anew, either, if it is one about something of the caller's own.
    """
    text = read_answer(answer)
    for name in sorted(_list_words(prepared), key=len, reverse=True):
        text = text.replace(name, "…")
    if answer.status_code < 400:
        text = _ANEW.sub("*", text)
    return answer.status_code, text


_ANEW = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z|whsec_[^\"]+|\d+")


def _list_words(prepared: Prepared) -> set[str]:
    words = {part for part in prepared.path.split("/") if part}
    pending: list[Any] = [prepared.query, prepared.body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str):
            words.add(value)
    return {word for word in words if word in prepared.sent and len(word) > 3}


@contextmanager
def nothing_stored(rows: Rows) -> Iterator[None]:
    """Check that what happens meanwhile changes no row and makes none."""
    with rolled_back():
        yield
        assert find_changes(rows, list_rows(), new=True) == {}
