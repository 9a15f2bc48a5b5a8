"""Addresses that mean the same are stored as the same text."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from osgp.devices.addresses import canonicalise
from osgp.devices.models import Device
from tests.factories import make_device

CANONICAL = [
    ("10.1.2.3", "10.1.2.3"),
    (" 10.1.2.3\t", "10.1.2.3"),
    ("::ffff:10.1.2.3", "10.1.2.3"),
    ("::FFFF:0A01:0203", "10.1.2.3"),
    ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("2001:db8::0001", "2001:db8::1"),
    ("FE80::1%eth0", "fe80::1%eth0"),
    ("Meter-1.Example.org.", "meter-1.example.org"),
    ("010.1.2.3", "010.1.2.3"),
    ("no address at all", "no address at all"),
    ("", ""),
    (" ", ""),
]


@pytest.mark.parametrize(("address", "canonical"), CANONICAL)
def test_canonical_forms(address: str, canonical: str) -> None:
    assert canonicalise(address) == canonical
    assert canonicalise(canonical) == canonical


@pytest.mark.django_db
def test_addresses_from_before_get_their_canonical_form(monkeypatch: pytest.MonkeyPatch) -> None:
    migration = import_module("osgp.requests.migrations.0009_endpoints")
    monkeypatch.setattr(migration, "PER_ROUND", 5)
    for number, (address, _) in enumerate(CANONICAL):
        make_device(f"E{number:02}", network_address=address)
    migration.canonicalise_addresses(apps, connection.schema_editor())
    stored = Device.objects.order_by("identification").values_list("network_address", flat=True)
    assert list(stored) == [canonical for _, canonical in CANONICAL]
