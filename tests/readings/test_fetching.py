"""Fetching all that a filter finds by one batch, whose devices are found slice by slice."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, BatchSource, BatchState
from osgp.completeness import fetching
from osgp.completeness.models import AnsweredGap
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import creation, steering
from osgp.messages.readings import Period
from osgp.networks.models import CommunicationNetwork
from osgp.requests.models import Action, ActionState, Request, RequestState
from tests import factories
from tests.batches.conftest import create_all, make_fleet
from tests.devices.concurrency import at_once
from tests.readings.columns import column, deliver, interval_ends
from tests.readings.test_missing import BODY, DAY, FAULT, FETCH, URL, asked
from tests.state_check import states_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("next_morning")]

BATCHES = "/api/v1/requests/batch/"


def fetch(api: APIClient, **more: Any) -> dict[str, Any]:
    """The answer to a call; ``batches`` has their primary keys only."""
    answer = api.post(FETCH, BODY | more, format="json")
    assert answer.status_code == 202, answer.json()
    body: dict[str, Any] = answer.json()
    return body | {"batches": [Batch.objects.get(uid=row["uid"]).pk for row in body["batches"]]}


def names(**filters: Any) -> list[str]:
    """The devices that are asked."""
    rows = Request.objects.filter(batch__isnull=False, **filters).order_by("pk")
    return list(rows.values_list("device_identification", flat=True))


@pytest.fixture
def fleet(organisation: Organisation) -> list[Device]:
    return make_fleet(organisation, 60)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_LOOKED_AT", 8)


class TestSlices:
    """The requests of a batch are made in the background."""

    def test_all_are_asked_for_what_is_missing(self, api: APIClient, fleet: list[Device]) -> None:
        ends = interval_ends(DAY)
        deliver(fleet[0], column(ends))
        deliver(fleet[1], column(ends[:10] + ends[20:50], [1] * 40))
        [summary] = api.post(FETCH, BODY, format="json").json()["batches"]
        assert (summary["source"], summary["status"], summary["total"]) == ("MISSING", "CREATING", 59)
        assert summary["message"] == "PeriodicMeterReads"
        assert summary["target"]["from"] == "2026-10-14"
        assert create_all() == 1
        assert names() == [device.identification for device in fleet[1:]]
        told = {str(each) for each in Action.objects.values_list("parameters", flat=True)}
        assert len(told) == 1, "the same for all"
        assert Action.objects.earliest("pk").parameters == {
            "period_type": "INTERVAL",
            "begin_date": "2026-10-13T22:00:01Z",
            "end_date": "2026-10-14T22:00:00Z",
            "missing_only": True,
        }
        body = api.get(summary["url"]).json()
        assert (body["status"], body["total"], body["skipped"]) == ("RUNNING", 59, 0)

    @pytest.mark.usefixtures("small_slices")
    def test_the_cursor_moves_over_devices_that_need_nothing(
        self, api: APIClient, organisation: Organisation, fleet: list[Device]
    ) -> None:
        """Here all of three slices in a row; and a slice that asks nobody is not the last one."""
        for device in fleet[10:40]:
            asked(organisation, device, ActionState.PENDING, RequestState.QUEUED)
        assert fetch(api)["devices"] is None
        batch = Batch.objects.get()
        cursors = []
        while creation.create_slice():
            batch.refresh_from_db()
            cursors.append(batch.cursor)
        assert cursors == sorted(set(cursors))
        assert len(cursors) == 8
        assert names() == [device.identification for device in fleet[:10] + fleet[40:]]
        assert (batch.state, batch.total, batch.cursor) == (BatchState.RUNNING, 30, fleet[-1].pk)

    @pytest.mark.usefixtures("small_slices")
    def test_it_goes_through_all_devices_in_parts(
        self, api: APIClient, fleet: list[Device], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of which one slice takes a few, also if they are all complete."""
        monkeypatch.setattr(fetching, "PART", 5)
        monkeypatch.setattr(fetching, "MOST_PARTS", 3)
        for device in fleet[3:50]:
            deliver(device, column(interval_ends(DAY)))
        assert fetch(api)["devices"] is None
        assert create_all() == 5
        assert names() == [device.identification for device in fleet[:3] + fleet[50:]]

    @pytest.mark.usefixtures("small_slices")
    def test_a_slice_costs_as_much_as_any_other(
        self, api: APIClient, organisation: Organisation, fleet: list[Device]
    ) -> None:
        for device in fleet[:40:2]:  # They also have something to note.
            deliver(device, column(interval_ends(DAY)[:50]))
            asked(organisation, device, ActionState.DONE, end="2026-10-14T15:00:00Z")
        fetch(api)
        costs = []
        while True:
            with CaptureQueriesContext(connection) as queries:
                if not creation.create_slice():
                    break
            costs.append(len(queries))
        assert len(costs) == 8
        assert len(set(costs[1:4])) == 1
        assert max(costs) <= 32
        assert len(names()) == 60
        assert AnsweredGap.objects.count() == 20

    @pytest.mark.usefixtures("small_slices")
    def test_it_goes_on_after_a_crash(
        self, api: APIClient, fleet: list[Device], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetch(api)
        assert creation.create_slice()
        with monkeypatch.context() as context:
            context.setattr(creation.storing, "store", lambda *_: 1 / 0)
            with pytest.raises(creation.BatchFailed):
                creation.create_slice()
        assert names() == [device.identification for device in fleet[:8]]
        create_all()
        assert names() == [device.identification for device in fleet]

    @pytest.mark.usefixtures("small_slices")
    def test_devices_that_move_meanwhile(
        self, api: APIClient, organisation: Organisation, fleet: list[Device]
    ) -> None:
        """Out of the group, into it, and to another owner."""
        group = DeviceGroup.objects.create(organisation=organisation, name="north")
        groups.add(group, [device.identification for device in fleet[:30]])
        fetch(api, group="north")
        creation.create_slice()
        groups.remove(group, [fleet[20].identification])
        groups.add(group, [fleet[50].identification])
        DeviceAuthorisation.objects.filter(device=fleet[21]).delete()
        create_all()
        there = [*fleet[:20], *fleet[22:30], fleet[50]]
        assert names() == [device.identification for device in there]

    @pytest.mark.usefixtures("small_slices")
    def test_a_group_that_is_deleted_has_no_devices(
        self, api: APIClient, organisation: Organisation, fleet: list[Device]
    ) -> None:
        group = DeviceGroup.objects.create(organisation=organisation, name="north")
        groups.add(group, [device.identification for device in fleet[:30]])
        fetch(api, group="north")
        creation.create_slice()
        group.delete()
        create_all()
        assert len(names()) == 8
        assert Batch.objects.get().state == BatchState.RUNNING

    def test_other_batches_do_not_wait_for_it(self, api: APIClient, fleet: list[Device]) -> None:
        fetch(api)
        group = DeviceGroup.objects.create(organisation=Organisation.objects.get(), name="north")
        groups.add(group, [fleet[0].identification])
        api.post(BATCHES, {"message": "ActualMeterReads", "device_group": "north"}, format="json")
        creation.create_slice()
        assert Request.objects.get().message == "ActualMeterReads"

    def test_devices_that_cannot_do_it_are_left_out(self, api: APIClient, fleet: list[Device]) -> None:
        Device.objects.filter(pk=fleet[0].pk).update(network_address="")
        fetch(api)
        create_all()
        batch = Batch.objects.get()
        assert (batch.total, batch.skipped) == (59, 1)


class TestWhom:
    """Who is asked, and for which days."""

    def test_two_kinds_of_meters_make_two_batches(
        self, api: APIClient, device: Device, gas_meter: Device
    ) -> None:
        found = fetch(api)
        assert (len(found["batches"]), found["devices"], found["requests"]) == (2, 2, 2)
        create_all()
        assert names(message="PeriodicMeterReads") == [device.identification]
        assert names(message="PeriodicMeterReadsGas") == [gas_meter.identification]
        assert [batch.total for batch in Batch.objects.all()] == [1, 1]

    @pytest.mark.parametrize(
        ("device_type", "message"),
        [("SMART_METER_E", "PeriodicMeterReads"), ("SMART_METER_G", "PeriodicMeterReadsGas")],
    )
    def test_one_kind_alone(
        self, api: APIClient, device: Device, gas_meter: Device, device_type: str, message: str
    ) -> None:
        fetch(api, device_type=device_type)
        assert Batch.objects.get().message == message

    def test_a_reason(self, api: APIClient, organisation: Organisation, fleet: list[Device]) -> None:
        for device in fleet[:3]:
            asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
        assert fetch(api, reason=["REQUEST_FAILED"])["devices"] == 3
        create_all()
        assert names() == [device.identification for device in fleet[:3]]
        assert fetch(api, reason=["NOT_DELIVERED"])["batches"] == []

    def test_devices_and_networks(
        self, api: APIClient, device: Device, gas_meter: Device, fleet: list[Device]
    ) -> None:
        network = CommunicationNetwork.objects.create(name="CDMA")
        Device.objects.filter(pk=device.pk).update(network=network)
        assert fetch(api, network="CDMA")["devices"] == 2
        assert fetch(api, device=[fleet[0].identification])["devices"] == 1
        create_all()
        assert sorted(names()) == sorted(
            [device.identification, gas_meter.identification, fleet[0].identification]
        )

    def test_settled_and_accepted_gaps_are_left_out(
        self, api: APIClient, organisation: Organisation, fleet: list[Device]
    ) -> None:
        for device in fleet[:50]:
            deliver(device, column(interval_ends(DAY)))
        for device in fleet[50:55]:
            asked(organisation, device, ActionState.DONE)
        accepted = {"comment": "x", "device": [device.identification for device in fleet[55:]]}
        assert api.post(f"{URL}accept/", BODY | accepted, format="json").json()["gaps"] == 5
        nothing = {"batches": [], "devices": 0, "requests": 0, "pending": 0, "settled": 10, "cursor": None}
        assert fetch(api) == nothing
        assert not Batch.objects.exists()
        assert AnsweredGap.objects.count() == 5

    def test_days_of_all_time_zones(self, api: APIClient, fleet: list[Device]) -> None:
        Device.objects.filter(pk=fleet[0].pk).update(time_zone="Atlantic/Azores")
        fetch(api)
        parameters = Batch.objects.get().parameters
        assert (parameters["begin_date"], parameters["end_date"]) == (
            "2026-10-13T22:00:01Z",
            "2026-10-15T00:00:00Z",
        )

    @pytest.mark.parametrize(
        ("period", "days", "begin", "end"),
        [
            (Period.DAILY, ("2026-10-10", "2026-10-12"), "2026-10-09T22:00:01Z", "2026-10-11T22:00:00Z"),
            (Period.MONTHLY, ("2026-09-01", "2026-10-01"), "2026-08-31T22:00:01Z", "2026-09-30T22:00:00Z"),
        ],
    )
    def test_other_periods(
        self, api: APIClient, device: Device, period: Period, days: tuple[str, str], begin: str, end: str
    ) -> None:
        first, until = days
        fetch(api, period=str(period), **{"from": first, "until": until})
        create_all()
        assert Action.objects.get().parameters == {
            "period_type": str(period),
            "begin_date": begin,
            "end_date": end,
            "missing_only": True,
        }

    def test_more_days_than_the_meter_holds(self, api: APIClient, device: Device) -> None:
        """It holds 960 rows; what is left of these days is asked for."""
        assert fetch(api, **{"from": "2026-07-01"})["devices"] == 1
        create_all()
        assert names() == [device.identification]
        assert Batch.objects.get().skipped == 0

    def test_what_the_meter_does_not_hold_any_more(self, api: APIClient, device: Device) -> None:
        assert fetch(api, **{"from": "2026-07-01", "until": "2026-07-02"})["batches"] == []


class TestAgain:
    """Nobody is asked twice for the same."""

    def test_a_batch_for_the_same_is_told_again(self, api: APIClient, device: Device) -> None:
        first = fetch(api)
        assert (first["devices"], len(first["batches"])) == (1, 1)
        again = fetch(api)
        assert (again["batches"], again["devices"]) == (first["batches"], 0)
        create_all()
        again = fetch(api)
        assert (again["batches"], again["devices"], again["pending"]) == (first["batches"], 0, 1)
        with states_by_hand():
            Request.objects.update(state=RequestState.FAILED, fault=FAULT)
        Action.objects.update(state=ActionState.FAULT, fault=FAULT)
        anew = fetch(api)
        assert anew["devices"] == 1
        assert anew["batches"] != first["batches"]
        assert Batch.objects.get(pk=first["batches"][0]).state == BatchState.COMPLETED

    def test_a_cancelled_batch_is_not(self, api: APIClient, device: Device) -> None:
        [key] = fetch(api)["batches"]
        steering.cancel(Batch.objects.get(pk=key))
        assert fetch(api)["devices"] == 1

    @pytest.mark.usefixtures("small_slices")
    def test_filters_that_overlap(self, api: APIClient, fleet: list[Device]) -> None:
        """The later batch leaves out whom the earlier one has asked by then, and the other way round."""
        fetch(api)
        creation.create_slice()
        fetch(api, device=[device.identification for device in fleet[4:14]])
        create_all()
        assert sorted(names()) == [device.identification for device in fleet]

    def test_another_organisation_makes_its_own(
        self,
        api: APIClient,
        device: Device,
        other_organisation: Organisation,
        client_of: Callable[[str], APIClient],
    ) -> None:
        stranger = client_of(factories.make_token(other_organisation))
        fetch(api)
        assert fetch(stranger)["batches"] == []
        factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
        assert fetch(stranger)["devices"] == 1
        create_all()
        assert names() == [device.identification], "the second one finds it pending"

    def test_the_scope_is_needed(
        self, device: Device, organisation: Organisation, client_of: Callable[[str], APIClient]
    ) -> None:
        reader = client_of(factories.make_token(organisation, scopes=["read"]))
        assert reader.post(FETCH, BODY, format="json").status_code == 403
        assert not Batch.objects.exists()

    def test_failed_devices_are_asked_again(self, api: APIClient, fleet: list[Device]) -> None:
        fetch(api)
        create_all()
        with states_by_hand():
            Request.objects.update(state=RequestState.SUCCEEDED)
            Request.objects.filter(device=fleet[3]).update(state=RequestState.FAILED, fault=FAULT)
        batch = Batch.objects.get()
        steering.settle(batch.pk)
        answer = api.post(f"{BATCHES}{batch.uid}/retry-failed/").json()
        assert (answer["source"], answer["total"], answer["target"]) == ("RETRY", 1, None)
        create_all()
        assert names(batch__retry_of=batch) == [fleet[3].identification]


@pytest.mark.django_db(transaction=True)
def test_two_callers_at_once(device: Device, client_of: Callable[[str], APIClient], token: str) -> None:
    def post(_: int) -> int:
        return client_of(token).post(FETCH, BODY, format="json").status_code

    assert at_once(4, post) == [202] * 4
    assert Batch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_batches_at_once(api: APIClient, fleet: list[Device]) -> None:
    """Whose slices are made by different processes."""
    fetch(api)
    fetch(api, device=[device.identification for device in fleet])
    at_once(2, lambda _: create_all())
    assert sorted(names()) == [device.identification for device in fleet]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({}, "missing readings of 14 October 2026"),
        ({"until": date(2026, 10, 20)}, "missing readings of 14–19 October 2026"),
        ({"until": date(2026, 11, 2)}, "missing readings of 14 October – 1 November 2026"),
        ({"first": date(2025, 12, 31)}, "missing readings of 31 December 2025 – 14 October 2026"),
        ({"period": "DAILY"}, "missing daily readings of 14 October 2026"),
        (
            {
                "group": DeviceGroup(pk=1, name="north"),
                "network": CommunicationNetwork(pk=2, name="CDMA"),
                "device_type": "SMART_METER_G",
                "reasons": frozenset({fetching.Reason.NEVER_ASKED}),
                "identifications": ("E1",),
            },
            "missing readings of 14 October 2026, group north, network CDMA, gas meters, never asked, E1",
        ),
        ({"identifications": ("E1", "E2")}, "missing readings of 14 October 2026, 2 devices"),
    ],
)
def test_what_a_batch_fetches_in_words(target: dict[str, Any], text: str) -> None:
    days: dict[str, Any] = {"period": "INTERVAL", "first": DAY, "until": DAY + timedelta(days=1)}
    selection = fetching.Selection(**(days | target))
    batch = Batch(source=BatchSource.MISSING, target=selection.as_json())
    assert batch.readings == text
    assert fetching.Selection.from_json(selection.as_json()).as_json() == selection.as_json()
