"""State tables: the states of rows and the transitions between them, as data.

Statements that change states take their conditions from these tables, tests compare every change with them,
and docs/states.md is drawn from them (``python -m scripts.state_diagrams``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db.models import Case, QuerySet, TextChoices, Value, When


@dataclass(frozen=True)
class Transition:
    """Changes rows from any of ``sources`` to ``target``; ``by`` says who does it, ``when`` why."""

    sources: tuple[str, ...]
    target: str
    by: str
    when: str
    name: str = field(default="", init=False)

    def __set_name__(self, table: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    @property
    def sql_sources(self) -> str:
        """The condition of a WHERE clause on the state, without the column.

        One state is no list of one, and lists have the order of the table: SQLite uses a partial index only
        where its condition is written the same way.
        """
        states = ", ".join(f"'{state}'" for state in self.sources)
        return f"= {states}" if len(self.sources) == 1 else f"IN ({states})"


class StateTable:
    """The states of one kind of row and the transitions between them; each table is a subclass.

    Transitions are class attributes, in the order in which the documentation lists them. Raises TypeError for
    a table that leaves out a state or has no transition to one.
    """

    row: ClassVar[str]
    """What the rows are called."""
    states: ClassVar[type[TextChoices]]
    initial: ClassVar[Mapping[str, str]]
    """The states in which rows are created, and when."""
    transitions: ClassVar[tuple[Transition, ...]]

    def __init_subclass__(cls) -> None:
        cls.transitions = tuple(value for value in vars(cls).values() if isinstance(value, Transition))
        reached = {str(state) for state in cls.initial} | {target for _, target in cls.list_changes()}
        named = reached | {source for source, _ in cls.list_changes()}
        if not named == reached == set(cls.states.values):
            raise TypeError(f"{cls.__name__} does not say how rows get into each of {cls.states.__name__}")

    @classmethod
    def list_changes(cls) -> frozenset[tuple[str, str]]:
        """Return all pairs of a state and a next state."""
        return frozenset(
            (str(source), str(transition.target))
            for transition in cls.transitions
            for source in transition.sources
        )

    @classmethod
    def list_final_states(cls) -> frozenset[str]:
        """Return the states that no transition leaves."""
        return frozenset(cls.states.values) - {source for source, _ in cls.list_changes()}


def apply(rows: QuerySet[Any], *transitions: Transition, **changes: Any) -> int:
    """Make the transitions in those of ``rows`` that are in their sources; return how many rows changed.

    One UPDATE. ``changes`` are new values of other columns. The transitions must not share a source.
    """
    sources = [source for transition in transitions for source in transition.sources]
    assert len(sources) == len(set(sources))
    if len(transitions) == 1:
        target: Any = transitions[0].target
    else:
        target = Case(*(When(state__in=each.sources, then=Value(str(each.target))) for each in transitions))
    return rows.filter(state__in=sources).update(state=target, **changes)
