"""The system title of the installation: configured, or made once and kept."""

import threading
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from osgp.devices import system_title
from osgp.devices.models import ClientSystemTitle
from tests.devices.conftest import with_platform


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    system_title._find_kept.cache_clear()
    yield
    system_title._find_kept.cache_clear()


@pytest.mark.django_db
def test_it_is_made_once_and_kept() -> None:
    ClientSystemTitle.objects.all().delete()
    title = system_title.find_title()
    assert bytes.fromhex(title)[:3] == b"OSG"
    assert len(title) == 16
    system_title._find_kept.cache_clear()
    assert system_title.find_title() == title
    assert ClientSystemTitle.objects.get().title == title


@pytest.mark.django_db
def test_it_is_read_once_per_process() -> None:
    title = system_title.find_title()
    ClientSystemTitle.objects.all().delete()
    assert system_title.find_title() == title


def test_installations_differ() -> None:
    assert len({system_title.make_title() for _ in range(20)}) == 20


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_agree() -> None:
    ClientSystemTitle.objects.all().delete()
    found: list[str] = []
    start = threading.Barrier(5)

    def find() -> None:
        start.wait()
        found.append(system_title._find_kept.__wrapped__())
        connection.close()

    threads = [threading.Thread(target=find) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert set(found) == {ClientSystemTitle.objects.get().title}


def test_a_configured_one_goes_first(settings: Settings) -> None:
    with_platform(settings, CLIENT_SYSTEM_TITLE="4f53475048455399")
    assert system_title.find_title() == "4F53475048455399"
    assert not [each for each in run_checks() if each.id == "osgp.E013"]


def test_one_that_is_none_is_told_at_the_start(settings: Settings) -> None:
    with_platform(settings, CLIENT_SYSTEM_TITLE="OSGPHES1")
    with pytest.raises(ImproperlyConfigured):
        system_title.find_title()
    [complaint] = [each for each in run_checks() if each.id == "osgp.E013"]
    assert "16 hexadecimal digits" in complaint.msg
