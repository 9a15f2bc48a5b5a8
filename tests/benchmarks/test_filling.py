"""The tables of a big night are as the platform itself would have filled them: keys, constraints, indexes."""

import re
from collections import Counter

import pytest
from django.db import connection
from django.db.models import F

from osgp.accounts.models import DeviceAuthorisation
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.requests.models import Action, MeterSession, Request, RequestState
from scripts.benchmarks import filling
from tests.factories import make_device, make_organisation, make_request

METERS, PAST = 7, 100
SCHEMA = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2
"""


def list_schema() -> list[tuple[str, str]]:
    """Names and definitions, but not where PostgreSQL writes casts and parentheses."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return [
            (name, re.sub(r"::(text|character varying)(\[\])?|[() ]", "", definition))
            for name, definition in cursor.fetchall()
        ]


@pytest.mark.django_db(transaction=True)
def test_a_big_night() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite knows no COPY, and is not measured.")
    organisation = make_organisation()
    first = make_device("FIRST1", owner=organisation)
    DeviceKey.objects.create(
        device=first,
        key_type=KeyType.LLS_PASSWORD,
        state=KeyState.ACTIVE,
        wrapped_data_key=b"\\\0%",
        ciphertext=b"\1",
    )
    before = list_schema()

    night = filling.add_meters(METERS)
    filling.add_past(night, PAST)
    filling.add_batch(night)
    filling.analyze()

    assert list_schema() == before
    assert Device.objects.count() == len(night.meters) == 1 + METERS
    assert DeviceAuthorisation.objects.filter(organisation=organisation).count() == 1 + METERS
    assert {bytes(key.wrapped_data_key) for key in DeviceKey.objects.all()} == {b"\\\0%"}
    failed = -(-PAST // filling.FAILED_EACH)
    assert Counter(Request.objects.values_list("state", flat=True)) == {
        RequestState.SUCCEEDED: PAST - failed,
        RequestState.FAILED: failed,
        RequestState.QUEUED: METERS,
    }
    waiting = Request.objects.filter(state=RequestState.QUEUED)
    assert set(waiting.values_list("meter_id", "device_identification")) == set(night.others)
    assert MeterSession.objects.count() == PAST
    assert not Request.objects.exclude(meter=F("device")).exists()
    assert not Request.objects.exclude(session=None).exclude(session__meter=F("meter")).exists()
    assert Action.objects.filter(request__device=F("device")).count() == PAST + METERS
    assert not Action.objects.filter(request__state=RequestState.FAILED, fault=None).exists()
    # Those that come after them get keys of their own.
    assert make_request(organisation, make_device("LAST1")).actions.count() == 1
