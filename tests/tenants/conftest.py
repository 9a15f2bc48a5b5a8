"""The organisation whose things others ask for, made once for all tests of this folder."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from tests.tenants.world import World, make_world


@pytest.fixture(scope="package")
def _rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """All of it, in a transaction around those of the tests."""
    everything = transaction.atomic()
    with django_db_blocker.unblock():
        everything.__enter__()
        world = make_world()
    yield world
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        everything.__exit__(None, None, None)


@pytest.fixture
def world(_rows: World, db: None) -> World:
    return _rows
