"""Totals of days: kept up by differences, and the same as if all were counted anew."""

import random
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.completeness import rounds
from osgp.completeness.models import CountedDay, CountedDevice, Counting, DayTotal, Kind
from osgp.completeness.totals import Total
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device, LifecycleStatus
from osgp.messages.readings import Period
from osgp.networks.models import CommunicationNetwork
from osgp.readings.models import Delivery
from osgp.requests.models import ActionState, Request, RequestState
from tests import factories
from tests.completeness.conftest import Clock, total
from tests.readings.columns import EXPORT, column, deliver, interval_ends, utc
from tests.readings.test_missing import FAULT, asked

pytestmark = pytest.mark.django_db

DAY = date(2026, 10, 14)
BEFORE = DAY - timedelta(days=1)
Count = Callable[[], None]


def _all_totals() -> dict[tuple[object, ...], int]:
    rows = DayTotal.objects.filter(number__gt=0).values_list(
        "organisation_id", "kind", "key", "period", "day", "name", "number"
    )
    return {tuple(row): number for *row, number in rows}


def _count_anew(count: Count) -> None:
    for model in (CountedDay, CountedDevice, DayTotal):
        model.objects.all().delete()
    count()


def test_a_day_that_is_full(device: Device, count: Count) -> None:
    count()
    assert total(DAY) == Total(meters=1, expected=96, missing={"NEVER_ASKED": 96})
    deliver(device, column(interval_ends(DAY)), column(interval_ends(DAY), quantity=EXPORT))
    count()
    assert total(DAY) == Total(meters=1, complete=1, expected=96, received=96)


def test_a_day_of_which_a_part_has_come(
    device: Device, organisation: Organisation, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at as soon as the part has come, without waiting for a round."""
    ends = interval_ends(DAY)
    Device.objects.update(installed_at=utc(2026, 1, 1))
    count()
    monkeypatch.setattr(rounds, "EVERY", 86_400.0)
    asked(organisation, device, ActionState.DONE)
    deliver(device, column(ends[:90]), column(ends[:60], quantity=EXPORT))
    count()
    assert total(DAY) == Total(meters=1, expected=96, received=60, missing={"NOT_DELIVERED": 36})


def test_the_last_day_counts_when_it_is_over_where_the_meter_is(
    device: Device, count: Count, moment: Clock
) -> None:
    Device.objects.update(time_zone="America/New_York")
    moment.moment = utc(2026, 10, 15, 3)
    count()
    assert not total(DAY).meters
    assert total(BEFORE).expected == 96
    moment.moment = utc(2026, 10, 15, 4)
    count()
    assert total(DAY).expected == 96


@pytest.mark.parametrize(("day", "expected"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_days_on_which_clocks_change(
    device: Device, count: Count, moment: Clock, day: str, expected: int
) -> None:
    of_day = date.fromisoformat(day)
    Device.objects.update(installed_at=utc(2025, 1, 1))
    moment.moment = utc(of_day.year, of_day.month, of_day.day + 1, 7)
    count()
    assert total(of_day) == Total(meters=1, expected=expected, missing={"NEVER_ASKED": expected})
    deliver(device, column(interval_ends(of_day)))
    count()
    assert total(of_day) == Total(meters=1, complete=1, expected=expected, received=expected)


def test_days_and_months(device: Device, count: Count, moment: Clock) -> None:
    moment.moment = utc(2026, 11, 1, 7)
    Device.objects.update(installed_at=utc(2026, 1, 1))
    tag = "ACTIVE_ENERGY_IMPORT_RATE_1"
    deliver(device, column([utc(2026, 10, 30, 23)], quantity=tag, period=Period.DAILY))
    count()
    assert total(date(2026, 10, 30), "DAILY") == Total(meters=1, complete=1, expected=1, received=1)
    assert total(date(2026, 10, 31), "DAILY").missing == {"NEVER_ASKED": 1}
    assert total(date(2026, 10, 31), "MONTHLY").missing == {"NEVER_ASKED": 1}
    assert not total(date(2026, 10, 30), "MONTHLY").meters
    deliver(device, column([utc(2026, 10, 31, 23)], quantity=tag, period=Period.MONTHLY))
    count()
    assert total(date(2026, 10, 31), "MONTHLY").complete == 1


def test_power_failures_are_told_apart(device: Device, organisation: Organisation, count: Count) -> None:
    ends = interval_ends(DAY)
    asked(organisation, device, ActionState.DONE)
    deliver(device, column([*ends[:50], *ends[60:]], statuses=[0] * 50 + [0b1000_0000] + [0] * 35))
    count()
    assert total(DAY).missing == {"POWER_FAILURE": 10}


def test_failed_requests_are_looked_at_at_once(
    device: Device, organisation: Organisation, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    count()
    monkeypatch.setattr(rounds, "EVERY", 86_400.0)
    asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
    Request.objects.update(completed_at=Now())
    count()
    assert total(DAY).missing == {"REQUEST_FAILED": 96}


def test_what_is_being_fetched_is_known_from_the_beginning(
    device: Device, organisation: Organisation, count: Count
) -> None:
    asked(organisation, device, ActionState.PENDING, RequestState.QUEUED)
    count()
    assert total(DAY).missing == {"BEING_FETCHED": 96}


def test_late_values(device: Device, count: Count, moment: Clock) -> None:
    ends = interval_ends(DAY)
    count()
    first = deliver(device, column(ends[:50]))
    second = deliver(device, column(ends[50:]))
    Delivery.objects.filter(pk=first).update(received_at=ends[49])
    Delivery.objects.filter(pk=second).update(received_at=ends[60] + timedelta(hours=48))
    Counting.objects.update(received_until=ends[0])
    moment.moment = utc(2026, 10, 18)
    count()
    assert total(DAY) == Total(meters=1, complete=1, expected=96, received=96, late=10)


def test_what_came_before_anything_was_counted_is_not_judged(
    device: Device, count: Count, moment: Clock
) -> None:
    deliver(device, column(interval_ends(DAY)))
    moment.moment = utc(2026, 10, 18)
    count()
    assert total(DAY) == Total(meters=1, complete=1, expected=96, received=96)


def test_devices_count_for_those_who_may_read_them(
    device: Device,
    gas_meter: Device,
    organisation: Organisation,
    other_organisation: Organisation,
    count: Count,
) -> None:
    network = CommunicationNetwork.objects.create(name="CDMA")
    Device.objects.filter(pk=device.pk).update(network=network)
    factories.grant(other_organisation, gas_meter, "MONITORING")
    factories.grant(other_organisation, device, "AD_HOC")
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    groups.add(group, [gas_meter.identification])
    count()
    key = str(network.pk)
    assert total(DAY).expected == 96 + 24
    assert total(DAY, organisation=organisation.pk).meters == 2
    assert total(DAY, organisation=other_organisation.pk).expected == 24
    assert total(DAY, organisation=other_organisation.pk, kind=Kind.NETWORK, key=key).expected == 24
    assert total(DAY, kind=Kind.NETWORK, key=key).meters == 2
    assert total(DAY, kind=Kind.PROFILE, key="SMR-5.1").meters == 2
    assert total(DAY, organisation=organisation.pk, kind=Kind.GROUP, key=str(group.pk)).expected == 24


def test_devices_that_count_for_others_by_now(
    device: Device, organisation: Organisation, other_organisation: Organisation, count: Count
) -> None:
    deliver(device, column(interval_ends(DAY)))
    count()
    group = DeviceGroup.objects.create(organisation=other_organisation, name="south")
    DeviceAuthorisation.objects.update(organisation=other_organisation)
    groups.add(group, [device.identification])
    count()
    assert total(DAY, organisation=organisation.pk) == Total()
    in_group = total(DAY, organisation=other_organisation.pk, kind=Kind.GROUP, key=str(group.pk))
    assert in_group == total(DAY, organisation=other_organisation.pk) == total(DAY)
    assert in_group.complete == 1


def test_devices_that_are_gone(device: Device, gas_meter: Device, count: Count) -> None:
    count()
    assert total(DAY).meters == 2
    Device.objects.filter(pk=gas_meter.pk).update(lifecycle_status=LifecycleStatus.DESTROYED)
    count()
    assert total(DAY).meters == 1
    for rows in (DeviceAuthorisation.objects, Device.objects.filter(pk=gas_meter.pk), Device.objects):
        rows.all().delete()
    count()
    assert _all_totals() == {}
    assert not CountedDay.objects.exists()
    assert not CountedDevice.objects.exists()


def test_what_a_profile_does_not_keep_is_not_expected(organisation: Organisation, count: Count) -> None:
    factories.make_device("T1", owner=organisation, protocol_name="TST", protocol_version="1.0")
    count()
    assert total(DAY).expected == 48
    assert total(DAY, "DAILY") == Total()


def test_an_installation_that_becomes_known(device: Device, count: Count) -> None:
    deliver(device, column(interval_ends(DAY)))
    count()
    assert not total(BEFORE).meters
    Device.objects.update(installed_at=utc(2026, 10, 13, 12))
    count()
    assert total(BEFORE) == Total(meters=1, expected=40, missing={"NEVER_ASKED": 40})
    assert total(DAY).complete == 1


def test_days_past_the_window_keep_their_totals(device: Device, count: Count, moment: Clock) -> None:
    deliver(device, column(interval_ends(DAY)))
    count()
    moment.moment = utc(2026, 10, 25, 7)
    count()
    assert total(DAY).complete == 1
    assert set(CountedDay.objects.values_list("day", flat=True)) == {
        date(2026, 10, n) for n in (21, 22, 23, 24)
    }
    moment.moment = utc(2028, 1, 1)
    count()
    assert not total(DAY).meters


@pytest.mark.parametrize("seed", range(6))
def test_totals_are_what_counting_anew_finds(
    organisation: Organisation, other_organisation: Organisation, count: Count, moment: Clock, seed: int
) -> None:
    """Whatever happens to some meters in whatever order."""
    dice = random.Random(seed)
    meters = [factories.make_device(f"E{number}", owner=organisation) for number in range(4)]
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    network = CommunicationNetwork.objects.create(name="CDMA")

    def happen(device: Device) -> None:
        first = moment.moment.date() - timedelta(days=dice.randint(1, 4))
        ends = interval_ends(first)
        begin, end = sorted(dice.sample(range(97), 2))
        match dice.randrange(10):
            case 0 | 1 | 2:
                deliver(device, column(ends))
            case 3:
                deliver(device, column(ends[begin:end]), column(ends, quantity=EXPORT))
            case 4:
                groups.add(group, [device.identification])
            case 5:
                groups.remove(group, [device.identification])
            case 6:
                network_now = dice.choice([network, None])
                Device.objects.filter(pk=device.pk).update(network=network_now)
            case 7:
                asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
            case 8:
                DeviceAuthorisation.objects.filter(organisation=other_organisation, device=device).delete()
                factories.grant(other_organisation, device, "MONITORING")
            case 9:
                moment.moment += timedelta(days=1)
        Delivery.objects.filter(received_at__gt=utc(2026, 11, 20)).update(received_at=moment.moment)

    for _ in range(12):
        for _ in range(dice.randint(1, 3)):
            happen(dice.choice(meters))
        count()
    count()
    kept_up = _all_totals()
    _count_anew(count)
    anew = _all_totals()
    first = min(key[4] for key in anew)  # type: ignore[type-var]
    assert {key: number for key, number in kept_up.items() if key[4] >= first} == anew  # type: ignore[operator]


def test_a_fleet_takes_as_many_statements_as_a_meter(
    organisation: Organisation, count: Count, moment: Clock
) -> None:
    def measure() -> int:
        for model in (CountedDay, CountedDevice, DayTotal):
            model.objects.all().delete()
        moment.moment += timedelta(minutes=10)
        with CaptureQueriesContext(connection) as statements:
            while rounds.advance():
                pass
        # SQLite takes few values in one statement.
        return len([each for each in statements if not each["sql"].startswith("INSERT")])

    for number in range(2):
        deliver(factories.make_device(f"E{number}", owner=organisation), column(interval_ends(DAY)))
    count()
    few = measure()
    for number in range(2, 40):
        deliver(factories.make_device(f"E{number}", owner=organisation), column(interval_ends(DAY)))
    count()
    assert measure() == few


def test_who_counts_holds_others_off(device: Device, count: Count, moment: Clock) -> None:
    count()
    assert not rounds.is_due()
    moment.moment += timedelta(minutes=2)
    assert rounds.is_due()
    while rounds.advance():
        pass
    assert not rounds.is_due()
    deliver(device, column(interval_ends(DAY)))
    assert rounds.is_due()
