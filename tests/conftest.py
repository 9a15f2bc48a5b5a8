"""Fixtures that all tests share; the rows themselves are made by tests/factories.py."""

import gc
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest
from django.conf import settings
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

# Routes are made from the messages that are registered when they are first imported: that must not happen
# while a test has registered messages of its own, or they stay.
import osgp.urls  # noqa: F401
from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.processes.database import lanes
from tests import factories, quick_database, state_check

if TYPE_CHECKING:
    from osgp.accounts.caller import Caller


state_check.watch()

# A machine that is busy with other things must not make examples fail.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all that they import stay for good: to look for garbage among them, again and
    again, would take a tenth of the CPU.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# How passwords are hashed is Django's business; each of its hashes takes a quarter of a second.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database of the test run, see tests/quick_database.py."""
    with django_db_blocker.unblock():
        quick_database.do_not_wait_for_the_disk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", quick_database.empty)
        yield


@pytest.fixture(autouse=True)
def _closed_lanes() -> Iterator[None]:
    """Database connections of lanes would outlive the test, and keep its database from being emptied."""
    yield
    lanes.close()


@pytest.fixture(autouse=True)
def _own_clock() -> None:
    """The clock of the machine counts, which tests set, until something compares it with the database's."""
    platform_time.forget()


@pytest.fixture
def organisation(db: None) -> Organisation:
    return factories.make_organisation()


@pytest.fixture
def other_organisation(db: None) -> Organisation:
    return factories.make_organisation("STRANGER")


@pytest.fixture
def caller(organisation: Organisation) -> "Caller":
    """An application of ``organisation`` with every scope."""
    return factories.make_caller(organisation)


@pytest.fixture
def token(organisation: Organisation) -> str:
    """An API token of ``organisation`` with every scope."""
    return factories.make_token(organisation)


@pytest.fixture
def client_of() -> Callable[[str], APIClient]:
    """Makes an API client that sends a given token."""

    def make(secret: str) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return client

    return make


@pytest.fixture
def api(token: str, client_of: Callable[[str], APIClient]) -> APIClient:
    """An API client of ``organisation`` with every scope; posts JSON with ``format="json"``."""
    return client_of(token)


@pytest.fixture
def device(organisation: Organisation) -> Device:
    """An SMR 5.1 electricity meter owned by ``organisation``."""
    return factories.make_device(owner=organisation)


@pytest.fixture
def gas_meter(organisation: Organisation, device: Device) -> Device:
    """A gas meter on channel 1 of ``device``, owned by ``organisation``."""
    return factories.make_gas_meter(gateway=device, owner=organisation)
