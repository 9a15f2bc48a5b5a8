"""Counts of pushes, by the hour and for Prometheus."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.test import Client

from osgp.alarms import counting
from osgp.alarms.counting import Arrival, make_key
from osgp.alarms.models import PushCount, Transport
from tests.metrics import grammar

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 30, 12, 59, 59, 999999, tzinfo=UTC)
HOUR = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_counts_of_an_hour_add_up() -> None:
    tcp = make_key(Transport.TCP, Arrival.RECEIVED, AT)
    udp = make_key(Transport.UDP, "BAD_CHECKSUM", AT.astimezone(timezone(timedelta(hours=5, minutes=30))))
    later = make_key(Transport.TCP, Arrival.RECEIVED, AT + timedelta(microseconds=1))
    counting.add({tcp: 3, udp: 1})
    counting.add({tcp: 4, later: 5})
    counting.add({})
    rows = PushCount.objects.order_by("hour", "transport").values_list(
        "hour", "transport", "outcome", "number"
    )
    assert list(rows) == [
        (HOUR, "TCP", "RECEIVED", 7),
        (HOUR, "UDP", "BAD_CHECKSUM", 1),
        (HOUR + timedelta(hours=1), "TCP", "RECEIVED", 5),
    ]


def test_prometheus_has_the_sums_also_when_hours_are_forgotten() -> None:
    counting.add({make_key(Transport.TCP, Arrival.RECEIVED, AT + timedelta(hours=n)): 2 for n in range(3)})
    PushCount.objects.all().delete()
    counting.add({make_key(Transport.UDP, Arrival.LOST_BY_KERNEL, AT): 9})
    families = grammar.read(Client().get("/metrics").content.decode())
    samples = families["osgp_pushes_total"].samples
    name = "osgp_pushes_total"
    assert samples[name, (("outcome", "RECEIVED"), ("transport", "TCP"))] == 6
    assert samples[name, (("outcome", "LOST_BY_KERNEL"), ("transport", "UDP"))] == 9


def test_nothing_makes_a_counter_known() -> None:
    counting.add({make_key(Transport.UDP, Arrival.NOT_STORED, AT): 0})
    families = grammar.read(Client().get("/metrics").content.decode())
    labels = (("outcome", "NOT_STORED"), ("transport", "UDP"))
    assert families["osgp_pushes_total"].samples["osgp_pushes_total", labels] == 0
    assert not PushCount.objects.exists()
