"""Erasing what one customer's meter measured: its values in a time, and whatever else may tell them."""

from datetime import date, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.alarms.models import ReceivedPush, Transport
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.completeness.models import AcceptedGap
from osgp.devices.models import Device
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.readings import Period
from osgp.readings.models import Chunk, Completeness, FormerClaim, Series
from osgp.requests.models import Request, RequestState
from tests import factories
from tests.readings.columns import EXPORT, column, deliver, interval_ends, rows, utc
from tests.readings.test_missing import gaps
from tests.state_check import states_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("next_morning")]

DAY = date(2026, 10, 12)
MOVED_IN, MOVED_OUT = utc(2026, 10, 12, 8), utc(2026, 10, 13, 10)
NAME = "E0000000000000001"


def erase(capsys: pytest.CaptureFixture[str], *arguments: str, **options: Any) -> str:
    said = {
        "organisation": "UTILITY",
        "since": MOVED_IN.isoformat(),
        "until": MOVED_OUT.isoformat(),
        "reason": "moved out",
        **options,
    }
    call_command("erase_readings", NAME, *arguments, **said)
    return capsys.readouterr().out


@pytest.fixture
def neighbour() -> Device:
    other = factories.make_device("E9")
    deliver(other, column(interval_ends(DAY, 3)))
    return other


@pytest.fixture
def customer(device: Device, neighbour: Device) -> Device:
    """A meter with three days, daily values, and a value that changed."""
    ends = interval_ends(DAY, 3)
    deliver(device, column(ends), column(ends, quantity=EXPORT))
    deliver(device, column(ends[40:42], [1, 2]), column(ends[200:201], [3]))
    days = [utc(2026, 10, day, 22) for day in (11, 12, 13)]
    deliver(device, column(days, period=Period.DAILY))
    assert FormerClaim.objects.count() == 3
    return device


def moments(device: Device, period: str) -> list[str]:
    found = rows("device_identification", "period", "interval_end")
    return sorted({row[2] for row in found if row[0] == device.identification and row[1] == period})


def test_values_of_the_time_go_and_all_others_stay(
    customer: Device, neighbour: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows("*", order="device_identification, quantity, period, interval_end")
    text = erase(capsys, "--yes")
    # Both quantities from 08:00 until 10:00 on the next day, and the daily value of the 12th.
    assert text.startswith(f"Erased: {2 * (26 * 4 + 1) + 1} values, ")
    kept = moments(customer, "INTERVAL")
    assert kept[kept.index("2026-10-12 07:45:00") + 1] == "2026-10-13 10:15:00"
    assert moments(customer, "DAILY") == ["2026-10-11 22:00:00", "2026-10-13 22:00:00"]
    after = rows("*", order="device_identification, quantity, period, interval_end")
    assert set(after) < set(before)
    assert len(moments(neighbour, "INTERVAL")) == 3 * 96
    assert list(FormerClaim.objects.values_list("interval_end", flat=True)) == [interval_ends(DAY, 3)[200]]


def test_a_whole_day_leaves_no_row(customer: Device, capsys: pytest.CaptureFixture[str]) -> None:
    ends = interval_ends(DAY)
    chunks = Chunk.objects.count()
    erase(capsys, "--yes", since=ends[0].isoformat(), until=ends[-1].isoformat())
    assert Chunk.objects.count() == chunks - 2


def test_nobody_fetches_them_again(
    api: APIClient, customer: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    series = Series.objects.filter(period=Period.INTERVAL).filter(device=customer).values("pk")
    full = Completeness.objects.filter(series_id__in=series).values_list("full_days", flat=True)
    lost, kept = (1 << 11) | (1 << 12), 1 << 13
    assert [days & (lost | kept) for days in full] == [lost | kept] * 2
    erase(capsys, "--yes")
    assert [days & (lost | kept) for days in full.all()] == [kept] * 2
    found = gaps(api, "from=2026-10-12&until=2026-10-14")
    assert {gap["reason"] for gap in found} == {"ACCEPTED"}
    accepted = AcceptedGap.objects.filter(device=customer)
    assert {gap.comment for gap in accepted} == {"Erased: moved out"}


def make_traces(organisation: Organisation, device: Device, moment: datetime) -> Request:
    """A request with its result, a push and a message, all of one time."""
    request = factories.make_request(organisation, device, "ActualMeterReads")
    with states_by_hand():
        Request.objects.filter(pk=request.pk).update(state=RequestState.SUCCEEDED, created_at=moment)
    ReceivedPush.objects.create(
        received_at=moment,
        transport=Transport.TCP,
        source_address="192.0.2.1",
        source_port=1,
        octets=b"\1",
        device=device,
    )
    MessageLog.objects.create(
        device=device,
        session_id=request.correlation_uid,
        number=1,
        at=moment,
        direction=MessageDirection.RECEIVED,
        length=1,
    )
    return request


def test_results_pushes_and_messages_since_then_go_as_well(
    organisation: Organisation, customer: Device, neighbour: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    """A later answer may tell of that time; an earlier one cannot."""
    kept = {
        make_traces(organisation, customer, utc(2026, 10, 12, 7)).pk,
        make_traces(organisation, neighbour, utc(2026, 10, 13, 7)).pk,
    }
    make_traces(organisation, customer, utc(2026, 10, 13, 7))
    make_traces(organisation, customer, utc(2026, 10, 20, 7))
    assert ", 2 requests, 2 pushes, 2 logged messages." in erase(capsys, "--yes")
    assert set(Request.objects.values_list("pk", flat=True)) == kept
    assert (ReceivedPush.objects.count(), MessageLog.objects.count()) == (2, 2)


def test_without_yes_it_is_only_said(
    organisation: Organisation, customer: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    make_traces(organisation, customer, utc(2026, 10, 13, 7))
    before = sorted(rows("*"), key=str)
    assert erase(capsys).startswith("There are, and --yes erases them: 211 values, 1 requests, 1 pushes,")
    assert sorted(rows("*"), key=str) == before
    assert Request.objects.exists()
    assert not AuditEntry.objects.exists()
    assert not AcceptedGap.objects.exists()


def test_the_audit_trail_tells_of_it(customer: Device, capsys: pytest.CaptureFixture[str]) -> None:
    erase(capsys, "--yes")
    entry = AuditEntry.objects.get(event=AuditEvent.READINGS_ERASED)
    assert entry.organisation_identification == "UTILITY"
    assert entry.device_identification == customer.identification
    assert entry.actor.startswith("command line/")
    assert entry.details["reason"] == "moved out"
    assert entry.details["values"] == 211


def test_not_while_values_may_come_back(
    organisation: Organisation, customer: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    factories.make_request(organisation, customer, "ActualMeterReads")
    with pytest.raises(CommandError, match="asked for by requests that are not final"):
        erase(capsys, "--yes")
    assert len(moments(customer, "INTERVAL")) == 3 * 96


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"organisation": "NOBODY"}, "There is no organisation NOBODY"),
        ({"organisation": "STRANGER"}, f"STRANGER owns no device {NAME}"),
        ({"since": "yesterday"}, "from: is no time"),
        ({"until": "2026-10-13T10:00:00"}, "until: is no time"),
        ({"until": "2026-13-40T10:00:00Z"}, "until: is no time"),
        ({"until": "2026-10-12T07:00:00Z"}, "until: is before from"),
        ({"reason": "  "}, "reason: has 1 to 150"),
        ({"reason": "x" * 151}, "reason: has 1 to 150"),
    ],
)
def test_bad_input_is_named(
    customer: Device, capsys: pytest.CaptureFixture[str], options: dict[str, str], said: str
) -> None:
    Organisation.objects.create(identification="STRANGER", name="Stranger")
    with pytest.raises(CommandError, match=said):
        erase(capsys, "--yes", **options)
    assert len(moments(customer, "INTERVAL")) == 3 * 96
