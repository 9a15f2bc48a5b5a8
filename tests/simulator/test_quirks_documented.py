"""docs/how-to/simulate-meters.md lists the quirks as osgp/simulator/quirks.py describes them."""

import ast
import inspect
import re
from pathlib import Path

from osgp.simulator import quirks
from osgp.simulator.quirks import EXCLUSIVE, Quirk

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "simulate-meters.md"


def describe() -> dict[str, str]:
    """By name, the docstring of each quirk on one line."""
    [definition] = [
        node
        for node in ast.parse(inspect.getsource(quirks)).body
        if isinstance(node, ast.ClassDef) and node.name == "Quirk"
    ]
    described = {}
    for node, following in zip(definition.body, definition.body[1:], strict=False):
        match node, following:
            case ast.Assign(value=ast.Constant(str(name))), ast.Expr(value=ast.Constant(str(text))):
                described[name] = " ".join(text.split())
    return described


def read_table(heading: str) -> list[tuple[str, ...]]:
    """The cells of the first table behind a heading, without its head."""
    _, _, behind = PAGE.read_text().partition(f"\n{heading}\n")
    lines = re.search(r"(?:^\|.*\n)+", behind, re.MULTILINE)
    assert lines is not None
    rows = [line.strip("|").split("|") for line in lines[0].splitlines()[2:]]
    return [tuple(cell.strip() for cell in row) for row in rows]


def test_each_quirk_is_described() -> None:
    assert list(describe()) == [quirk.value for quirk in Quirk]


def test_the_page_has_all_quirks() -> None:
    assert read_table("## Quirks") == [(f"`{name}`", text) for name, text in describe().items()]


def test_the_page_says_what_excludes_what() -> None:
    told = {frozenset(re.findall("`([a-z0-9-]+)`", pair)): reason for pair, reason in read_table(PAIRS)}
    assert told == {frozenset(each.value for each in pair): reason for pair, reason in EXCLUSIVE.items()}


PAIRS = "### Quirks that exclude one another"
