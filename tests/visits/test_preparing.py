"""What dialling a meter needs of the database, while others change it."""

import threading

import pytest
from django.db import connection, transaction

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Security
from osgp.devices import keystore
from osgp.devices.models import Device, KeyCounter, KeyType
from osgp.sql import Statement
from osgp.visits.dialling import Dialling
from osgp.visits.preparing import prepare
from tests import factories, processes
from tests.counters import counter_of, set_counter

BLOCK = 64
KEYS = {KeyType.E_METER_AUTHENTICATION_KEY: b"a" * 16, KeyType.E_METER_ENCRYPTION_KEY_UNICAST: b"e" * 16}
NEW = {KeyType.E_METER_AUTHENTICATION_KEY: b"A" * 16, KeyType.E_METER_ENCRYPTION_KEY_UNICAST: b"E" * 16}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meter(organisation: Organisation) -> Device:
    device = factories.make_device(owner=organisation)
    activate(device, KEYS)
    set_counter(1000)
    return device


def activate(device: Device, secrets: dict[KeyType, bytes]) -> None:
    keystore.store_new(device, secrets)
    keystore.activate(device, list(secrets))


def test_a_block_is_reserved_once_and_its_values_are_handed_out(meter: Device) -> None:
    dialling = Dialling.from_prepared(prepare(meter.pk))
    assert counter_of(meter) == 1000 + BLOCK
    assert dialling.counter is not None
    assert [dialling.counter.take_value() for _ in range(BLOCK + 1)] == list(range(1000, 1000 + BLOCK + 1))
    assert counter_of(meter) == 1000 + 2 * BLOCK
    assert dialling.keys.authentication_key == b"a" * 16
    assert dialling.keys.encryption_key == b"e" * 16


@pytest.mark.parametrize("security", [Security.NONE, Security.LLS])
def test_nothing_is_reserved_for_meters_that_are_not_ciphered(meter: Device, security: Security) -> None:
    Device.objects.update(security=security)
    assert prepare(meter.pk).block is None
    assert counter_of(meter) == 1000


def test_an_unknown_counter_stays_unknown(meter: Device) -> None:
    set_counter(None)
    dialling = Dialling.from_prepared(prepare(meter.pk))
    assert dialling.counter is not None
    assert dialling.counter.first is None
    assert counter_of(meter) is None


def test_nothing_is_reserved_where_it_could_be_rolled_back(meter: Device) -> None:
    with transaction.atomic():
        assert prepare(meter.pk).block is None
    assert counter_of(meter) == 1000


def test_counters_go_with_their_keys_while_these_are_replaced(meter: Device) -> None:
    """Values of a key that was replaced meanwhile are those of that key, whichever keys the visit sees."""
    found: list[Dialling] = []

    def dial() -> None:
        found.append(Dialling.from_prepared(prepare(meter.pk)))
        connection.close()

    visit = threading.Thread(target=dial)
    with transaction.atomic():
        # Holds back whoever reserves values for the old key.
        KeyCounter.objects.select_for_update().get()
        keystore.store_new(meter, NEW, first_counter=250)
        keystore.activate(meter, list(NEW))
        visit.start()
        if connection.vendor == "postgresql":
            processes.eventually(_somebody_waits, "the visit to wait for the change of keys")
    visit.join()
    [dialling] = found
    assert dialling.counter is not None
    taken = dialling.counter.take_value(), dialling.keys.encryption_key
    assert taken in {(1000, b"e" * 16), (250, b"E" * 16)}
    assert counter_of(meter) == 250 + (BLOCK if taken[0] == 250 else 0)


def _somebody_waits() -> bool:
    # Within a transaction PostgreSQL keeps to what it told first.
    Statement("SELECT pg_stat_clear_snapshot()").fetch_rows()
    waiting = Statement(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting.fetch_rows()[0][0])
