"""What the import contracts cannot see keeps to the layers as well: names of modules in texts, and relations.

The contracts themselves are in pyproject.toml; `make lint` checks them.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models import Field

ROOT = Path(__file__).resolve().parent.parent
MODULE = re.compile(r"(osgp(?:\.[a-z_0-9]+)+)(?:[:.][A-Z]\w*)?")


def layers() -> dict[str, int]:
    """How high each package of osgp stands; 0 is the lowest layer."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["type"] == "layers"]
    assert contract["exhaustive"]
    assert "ignore_imports" not in contract
    names = [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]
    return {name: height for height, row in enumerate(reversed(names)) for name in row}


HEIGHTS = layers()


def package_of(module: str) -> str:
    """``osgp.requests.models`` -> ``requests``."""
    return module.split(".")[1]


def is_above(module: str, other: str) -> bool:
    """Whether a module may not use another one, as that one stands above it or beside it."""
    own, its = package_of(module), package_of(other)
    return own != its and HEIGHTS[its] >= HEIGHTS[own]


def exists(module: str) -> bool:
    path = ROOT / module.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def named_modules() -> Iterator[tuple[str, str]]:
    """Each module that is named in a text, and in which module: import paths, but no names of tasks."""
    for path in sorted((ROOT / "osgp").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                match = MODULE.fullmatch(node.value)
                if match and exists(match.group(1)):
                    yield module, match.group(1)


def test_no_module_above_is_named() -> None:
    named = set(named_modules())
    assert ("osgp.visits.tasks", "osgp.visits.hint_request") in named, "finds what there is"
    # How Django is told of its settings, and by them of its URLs.
    by_django = {(by, "osgp.settings") for by in ("osgp.celery", "osgp.wsgi")} | {
        ("osgp.settings", "osgp.urls")
    }
    assert {(by, module) for by, module in named if is_above(by, module)} == by_django


def test_relations_lead_down() -> None:
    """A model names others of its own package or below: so no relation is written as a text."""
    relations = [
        (model, field.related_model)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if isinstance(field, Field) and field.related_model is not None
    ]
    ours = [
        (model.__module__, related.__module__)
        for model, related in relations
        if not isinstance(related, str)
        and model.__module__.startswith("osgp.")
        and related.__module__.startswith("osgp.")
    ]
    assert len(ours) > 20
    assert [pair for pair in ours if is_above(*pair)] == []


RELATIONS = {"ForeignKey", "OneToOneField", "ManyToManyField"}


def relations_in(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in RELATIONS
        ):
            yield node


def test_no_relation_is_written_as_a_text() -> None:
    """A text would be a way round the contract; ``self`` and models of the same module are none."""
    texts = [
        f"{path.parent.name}: {argument.value}"
        for path in sorted((ROOT / "osgp").rglob("models.py"))
        for relation in relations_in(path)
        for argument in relation.args
        if isinstance(argument, ast.Constant) and "." in str(argument.value)
    ]
    assert texts == []
