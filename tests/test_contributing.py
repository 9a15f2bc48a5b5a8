"""CONTRIBUTING.md, "Add a message": following the page in a copy of the tree makes two working messages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import message_table
from tests.catalogue.generations import SHIPPED

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("osgp", "tests", "scripts", "docs", "manage.py", "pyproject.toml")
TEMPLATE = re.compile(r"^\*\*([\w/]+\.py)\*\*:\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(folder: Path, *arguments: str) -> str:
    """What a module of Python prints in a folder; it has to succeed."""
    # Settings of this test run are not those of whoever follows the page.
    own = {"DJANGO_SETTINGS_MODULE", "OSGP_PROFILES"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-B", "-m", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    """The files that the page tells people to create, by path."""
    return dict(TEMPLATE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, templates: dict[str, str]) -> Path:
    """A copy of the project with these files in it."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "dumps"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for path, code in templates.items():
        assert not (folder / path).exists(), f"{path} is no example: the project has it"
        (folder / path).write_text(code, encoding="utf-8")
    return folder


def test_there_is_one_module_and_one_test_for_each_message(templates: dict[str, str]) -> None:
    assert sorted(templates) == [
        "osgp/adhoc/read_power_failures.py",
        "osgp/adhoc/set_clock_time_zone.py",
        "tests/adhoc/test_read_power_failures.py",
        "tests/adhoc/test_set_clock_time_zone.py",
    ]


def test_the_tests_of_the_templates_pass(tree: Path, templates: dict[str, str]) -> None:
    tests = sorted(path for path in templates if path.startswith("tests/"))
    output = run(tree, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    assert re.search(r"^\d+ passed in", output, re.MULTILINE), output


def test_the_table_of_messages_is_written_with_them(tree: Path) -> None:
    before = (tree / "docs" / "messages.md").read_text(encoding="utf-8").splitlines()
    run(tree, "scripts.message_table")
    after = (tree / "docs" / "messages.md").read_text(encoding="utf-8").splitlines()
    added = [line.split(" | ")[0] for line in after if line not in before]
    assert added == ["| ReadPowerFailures", "| SetClockTimeZone"]


def test_the_templates_are_in_the_format_of_the_project(tree: Path, templates: dict[str, str]) -> None:
    run(tree, "ruff", "check", *templates)
    run(tree, "ruff", "format", "--check", *templates)


def test_the_table_of_messages_is_up_to_date() -> None:
    """Run ``python -m scripts.message_table`` when this fails."""
    assert message_table.PAGE.read_text(encoding="utf-8") == message_table.render(SHIPPED)
