"""Fixtures of the embedded platform."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from pytest_django import Settings
from rich.console import Console


@pytest.fixture
def own_secrets(settings: Settings, tmp_path: Path) -> Path:
    """Generated secrets go to a directory of the test; returns where they are."""
    settings.VAR_DIR = tmp_path
    settings.OSGP = settings.OSGP | {"LOCAL_SECRETS": True, "APDU_DEADLINE": timedelta(seconds=5)}
    return tmp_path / "secrets"


@pytest.fixture
def console() -> Console:
    """Writes to memory, wide enough for tables."""
    return Console(file=StringIO(), width=120, highlight=False)


def printed(console: Console) -> list[str]:
    """What a console of the fixture above has written, by lines."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()
