"""Results as the JSON text that the database has: fetched and sent on without being parsed.

A result may have megabytes, and a bundle hundreds of results. Parsed, they take ten times as much memory, and
made to JSON again twice more. So answers are written from texts; of large ones only when it is their turn.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, Left, Length

from osgp.requests.models import Action

RESULT, PARTIAL_RESULT = "result", "partial_result"
COLUMNS = (RESULT, PARTIAL_RESULT)
PIECE = 64 * 1024
"""Characters of a text that are sent at a time."""

_BEGIN = "{}_begin"
_COMPLETE_UNTIL = re.compile(r'"complete_until":\s*"([^"\\]+)"')


class Vanished(Exception):
    """A result was deleted while an answer with it was being sent, which ends there."""


@dataclass(frozen=True, slots=True)
class ResultText:
    """The JSON text of a column of an action; ``begin`` may be all of it."""

    action_id: int
    column: str
    begin: str
    is_whole: bool

    def load(self) -> str:
        """Return the whole text. One query unless it is here. Raises Vanished."""
        if self.is_whole:
            return self.begin
        text = Action.objects.filter(pk=self.action_id).values_list(_as_text(self.column), flat=True).first()
        if text is None:
            raise Vanished(f"The {self.column} of action {self.action_id} was deleted.")
        return str(text)

    def find_complete_until(self) -> str | None:
        """As :func:`osgp.requests.answers.find_complete_until`: no string in JSON can look like a member."""
        return min(_COMPLETE_UNTIL.findall(self.load()), default=None)


def _as_text(column: str) -> Cast:
    return Cast(F(column), TextField())


def with_texts(rows: QuerySet[Action], most: int) -> QuerySet[Action]:
    """Have ``rows`` bring the first ``most`` characters of their results instead of the results."""
    begins = {_BEGIN.format(column): Left(_as_text(column), most + 1) for column in COLUMNS}
    return rows.defer(*COLUMNS).annotate(**begins)


def put_texts(actions: Iterable[Action], most: int) -> None:
    """Give actions of :func:`with_texts` a ResultText for each result that they have."""
    for action in actions:
        for column in COLUMNS:
            begin = getattr(action, _BEGIN.format(column))
            # A JSON null is no result either.
            is_there = begin is not None and begin != "null"
            text = ResultText(action.pk, column, begin, len(begin) <= most) if is_there else None
            setattr(action, column, text)


def measure_results(request_id: int, but: int) -> int:
    """Return how many characters the results of a request have, without those of one action. One query."""
    sizes = [Coalesce(Length(_as_text(column)), Value(0)) for column in COLUMNS]
    rows = Action.objects.filter(request=request_id).exclude(pk=but).order_by()
    found = rows.aggregate(size=Sum(sizes[0] + sizes[1]))
    return found["size"] or 0


def is_whole(actions: Collection[Action]) -> bool:
    """Whether all results of actions of :func:`put_texts` are here."""
    texts = (getattr(action, column) for action in actions for column in COLUMNS)
    return all(text is None or text.is_whole for text in texts)


def write_json(value: Any) -> Iterator[str]:
    """Write JSON piece by piece. ``value`` may hold ResultTexts, which are loaded one at a time."""
    if isinstance(value, ResultText):
        text = value.load()
        for start in range(0, len(text), PIECE):
            yield text[start : start + PIECE]
    elif isinstance(value, Mapping):
        for number, (name, member) in enumerate(value.items()):
            yield f"{',' if number else '{'}{json.dumps(name)}:"
            yield from write_json(member)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield "," if number else "["
            yield from write_json(member)
        yield "]" if value else "[]"
    else:
        yield json.dumps(value, ensure_ascii=False)
