"""Draws docs/states.md from the tables of states: `python -m scripts.state_diagrams`."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osgp.state_tables import StateTable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states.md"

_BEGINNING = """\
# States

What may become of each kind of row, who brings it about, and when. Each transition is a conditional
`UPDATE` whose row count decides; in tests, the database refuses every other change.

`python -m scripts.state_diagrams` draws this page from the tables in `osgp/requests/states/transitions.py`,
`osgp/fleet/states.py`, `osgp/devices/key_states.py` and `osgp/notifications/states.py`. The statements take
their conditions from them too.
"""


def tables() -> tuple[type["StateTable"], ...]:
    """Those of the project; Django has to be set up."""
    from osgp.devices.key_states import KeyTransitions
    from osgp.fleet.states import BatchTransitions
    from osgp.notifications.states import DeliveryTransitions
    from osgp.requests.states.transitions import ActionTransitions, RequestTransitions, SessionTransitions

    return (
        RequestTransitions,
        ActionTransitions,
        SessionTransitions,
        BatchTransitions,
        KeyTransitions,
        DeliveryTransitions,
    )


def page(shown: Sequence[type["StateTable"]]) -> str:
    """The whole page, as Markdown."""
    return "\n".join([_BEGINNING, *("\n".join(_write_section(table)) for table in shown)])


def _write_section(table: type["StateTable"]) -> Iterator[str]:
    yield f"## {table.row}"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from _draw_diagram(table)
    yield "```"
    yield ""
    yield "| | from | to | who | when |"
    yield "|---|---|---|---|---|"
    for state, when in table.initial.items():
        yield f"| | | {state} | | {when} |"
    for each in table.transitions:
        sources = ", ".join(each.sources)
        yield f"| {each.name} | {sources} | {each.target} | {each.by} | {each.when} |"
    yield ""


def _draw_diagram(table: type["StateTable"]) -> Iterator[str]:
    """One arrow between two states, with the names of all transitions that take it."""
    names: dict[tuple[str, str], list[str]] = {}
    for transition in table.transitions:
        for source in transition.sources:
            names.setdefault((source, transition.target), []).append(transition.name)
    for state in table.initial:
        yield f"    [*] --> {state}"
    for (source, target), labels in names.items():
        yield f"    {source} --> {target}: {', '.join(labels)}"
    for state in table.states.values:
        if state in table.list_final_states():
            yield f"    {state} --> [*]"


def main() -> None:
    """Write the page."""
    if "DATABASE_URL" not in os.environ:
        os.environ["OSGP_EMBEDDED"] = "1"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")
    import django

    django.setup()
    PAGE.write_text(page(tables()))


if __name__ == "__main__":
    main()
