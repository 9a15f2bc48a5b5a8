"""The mark of an SQLite database, whatever becomes of the file beside it."""

import os
from collections.abc import Collection
from typing import NoReturn

import pytest
from django.db import connection

from osgp.devices import generations, mark_file
from osgp.devices.models import CounterGeneration
from osgp.visits import restores

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no file.")
    restores.renew_mark()


def renew_and_say() -> bool:
    """Whether it looked like a restore."""
    before = generations.get_current()
    restores.renew_mark()
    return generations.get_current() > before


def test_it_is_another_one_each_time_and_alone_in_the_file() -> None:
    marks = set()
    for _ in range(3):
        assert not renew_and_say()
        assert mark_file.read() == {generations.read_mark()}
        marks.add(generations.read_mark())
    assert len(marks) == 3
    names = os.listdir(mark_file.find_path().parent)
    assert [name for name in names if name.startswith(mark_file.find_path().name)] == [
        mark_file.find_path().name
    ]


@pytest.mark.parametrize("content", [None, "", "{}", '["another"]', "[[", "\0"])
def test_a_file_that_is_lost_or_damaged_is_a_restore_once(content: str | None) -> None:
    if content is None:
        mark_file.find_path().unlink()
    else:
        mark_file.find_path().write_text(content)
    assert renew_and_say()
    assert not renew_and_say()


def test_a_database_of_a_former_release_beside_a_newer_file_is_a_restore_once() -> None:
    CounterGeneration.objects.all().delete()
    assert renew_and_say()
    assert not renew_and_say()


class Killed(BaseException):
    """In mid-work."""


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_process_that_is_killed_on_the_way_is_no_restore(
    monkeypatch: pytest.MonkeyPatch, at: int, is_before: bool
) -> None:
    write, calls = mark_file.write, []

    def kill(marks: Collection[str]) -> None:
        calls.append(marks)
        if len(calls) < at or not is_before:
            write(marks)
        if len(calls) == at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mark_file, "write", kill)
        with pytest.raises(Killed):
            restores.renew_mark()
    assert not renew_and_say()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_that_cannot_be_written_keeps_nobody_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    if not is_there:
        mark_file.find_path().unlink()

    def refuse(marks: Collection[str]) -> NoReturn:
        raise PermissionError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(mark_file, "write", refuse)
        assert renew_and_say() is not is_there
        assert "might not be noticed: read-only" in caplog.text
        assert not renew_and_say()
    assert not renew_and_say()
    assert mark_file.read() == {generations.read_mark()}
