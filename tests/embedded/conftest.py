"""Fixtures of the embedded platform."""

from datetime import timedelta
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from pytest_django import Settings
from rich.console import Console

from osgp.devices import platform_keys


@pytest.fixture(scope="session")
def collected_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where starts collect static files; the usual place is looked through by every client that is made."""
    return tmp_path_factory.mktemp("static")


generated_key_pair = cache(platform_keys._generate)
"""The same for all tests of a process: to generate one takes half a second."""


@pytest.fixture
def own_secrets(
    settings: Settings, tmp_path: Path, collected_files: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Generated secrets go to a directory of the test; returns where they are."""
    monkeypatch.setattr(platform_keys, "_generate", generated_key_pair)
    settings.VAR_DIR = tmp_path
    settings.STATIC_ROOT = collected_files
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
