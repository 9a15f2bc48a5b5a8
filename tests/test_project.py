"""Conventions of the project that no other tool checks."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 400
REQUIREMENT_FILES = ("requirements.txt", "requirements-dev.txt", "deploy/requirements-flower.txt")


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def requirement_lines(name: str) -> list[str]:
    """The requirements of a file without comments and options."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """Distribution and version of each line."""
    return {normalised(line.partition("==")[0]): line.partition("==")[2] for line in requirement_lines(name)}


def needed(names: list[str]) -> set[str]:
    """The distributions that ``names`` need in turn on this Python, ``names`` included."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = normalised(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def test_modules_are_short() -> None:
    """A longer one has more than one concern."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in python_files("osgp", "scripts")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_modules_say_what_they_are_for() -> None:
    silent = []
    for path in python_files("osgp", "scripts"):
        if path.name in {"__init__.py", "apps.py"} or "migrations" in path.parts:
            continue
        if ast.get_docstring(ast.parse(path.read_text())) is None:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


@pytest.mark.parametrize("name", REQUIREMENT_FILES)
def test_requirements_are_exact_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"--(extra-)?index-url|--find-links|https?://|file:", text)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line) for line in requirement_lines(name))


def test_everything_that_is_needed_in_turn_is_pinned() -> None:
    pinned = pins("constraints.txt") | pins("requirements.txt") | pins("requirements-dev.txt")
    assert needed(list(pins("requirements.txt") | pins("requirements-dev.txt"))) <= set(pinned)


def test_installed_versions_are_the_pinned_ones() -> None:
    direct = pins("requirements.txt") | pins("requirements-dev.txt")
    pinned = pins("constraints.txt") | direct
    installed = {name: distribution(name).version for name in needed(list(direct))}
    assert installed == {name: pinned[name] for name in installed}


def test_what_is_imported_is_required() -> None:
    required = set(pins("requirements.txt"))
    providers = packages_distributions()
    unknown: dict[str, set[str]] = {}
    for path in python_files("osgp"):
        for name in imported(path):
            if name in sys.stdlib_module_names or name in {"osgp", "gurux_dlms"}:
                continue
            if not {normalised(provider) for provider in providers.get(name, ())} & required:
                unknown.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    assert not unknown


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("name", REQUIREMENT_FILES)
def test_every_direct_dependency_is_explained(name: str) -> None:
    explained = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert [line for line in pins(name) if f"| {line} |" not in explained.replace("_", "-")] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
            if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)} -> {target}")
    assert not broken


def test_paths_that_documents_name_exist() -> None:
    """Code moves; a document that names a file which is gone misleads."""
    missing = []
    for document in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:osgp|scripts|deploy|docs|tests)/[\w./-]+)`", document.read_text()):
            if not (ROOT / path).exists():
                missing.append(f"{document.relative_to(ROOT)}: {path}")
    assert not missing


def test_promises_of_the_security_page_have_tests() -> None:
    """A file that is named without its folder is in that of the one before it."""
    page = (ROOT / "SECURITY.md").read_text()
    folder = ROOT / "tests"
    named = re.findall(r"`((?:tests/|test_)[\w/.]+)`", page)
    assert len(named) > 20
    for name in named:
        path = ROOT / name if name.startswith("tests/") else folder / name
        assert path.exists(), name
        folder = path if path.is_dir() else path.parent
