"""Slots are shared: urgent work, slow meters and organisations each have their part."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.processes import heartbeats
from osgp.processes.heartbeats import ProcessKind
from osgp.processes.models import ProcessHeartbeat
from osgp.requests import states
from osgp.requests.models import MeterSession, Request, RequestState, SessionState, VisitLane
from osgp.requests.slots import Reason, Slots, find_slots, make_details
from tests import factories
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db(transaction=True)

AGO = timedelta(minutes=5)
TWENTY = Slots(20)
"""Of which 2 are kept for urgent work, and 5 are for slow meters."""
LESS, MORE, MOST = 2, 6, 9
"""Priorities; the last one is urgent."""


@pytest.fixture
def tenant(organisation: Organisation) -> Organisation:
    return organisation


@pytest.fixture
def other(other_organisation: Organisation) -> Organisation:
    return other_organisation


def ask(owner: Organisation, count: int, priority: int = LESS, age: timedelta = AGO, **fields: Any) -> None:
    """Requests that are due, each to a meter of its own."""
    for _ in range(count):
        device = factories.make_device(f"E{Device.objects.count():05}", owner=owner, **fields)
        factories.make_request(
            owner, device, priority=priority, effective_priority=priority, due_at=timezone.now() - age
        )


def open_all(slots: Slots | None = TWENTY, limit: int = 100, **more: Any) -> states.OpenedSessions:
    """One round."""
    opened = states.open_sessions(limit, slots, **more)
    if opened.slow:
        states.put_in_slow_lane(opened.slow)
    return opened


def count(by: str = "organisation__identification") -> Counter[Any]:
    """Live visits."""
    live = MeterSession.objects.filter(state__in=["OPENED", "CLAIMED"])
    return Counter(live.values_list(by, flat=True))


def end(number: int, **which: Any) -> None:
    """So many visits are over, and their requests with them."""
    with states_by_hand():
        for session in MeterSession.objects.filter(state=SessionState.OPENED, **which)[:number]:
            Request.objects.filter(meter=session.meter_id).update(
                state=RequestState.SUCCEEDED, completed_at=timezone.now()
            )
            MeterSession.objects.filter(pk=session.pk).update(state=SessionState.CLOSED)


def test_one_tenant_alone_has_all_but_the_slots_for_urgent_work(tenant: Organisation) -> None:
    ask(tenant, 25)
    assert len(open_all().sessions) == 18
    assert open_all().reasons == {Reason.SLOTS}
    assert count() == {"UTILITY": 18}


def test_urgent_work_of_another_tenant_begins_while_one_has_all_other_slots(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 25, MORE)
    open_all()
    ask(other, 1, MOST, timedelta())
    [session] = open_all(limit=0, beyond=100).sessions
    assert (session.organisation_id, session.priority, session.lane) == (other.pk, MOST, VisitLane.URGENT)


def test_a_flood_of_urgent_requests_takes_its_part_of_the_slots_for_these_alone(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 30, MOST)
    open_all()
    assert count("lane") == {"URGENT": 1, "NORMAL": 18}
    priorities = count("priority")
    assert priorities == {MOST: 1, 6: 18}, "what is not carried out as urgent does not overtake what is"
    ask(other, 1, MOST, timedelta())
    [session] = open_all().sessions
    assert (session.organisation_id, session.lane) == (other.pk, VisitLane.URGENT)


def test_tenants_with_work_have_equal_parts_whatever_their_priorities(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 30, MORE, 2 * AGO)
    ask(other, 30, LESS)
    open_all()
    assert count() == {"UTILITY": 9, "STRANGER": 9}


def test_what_one_tenant_leaves_the_others_have(tenant: Organisation, other: Organisation) -> None:
    ask(tenant, 30, MORE)
    ask(other, 3)
    open_all()
    assert count() == {"UTILITY": 15, "STRANGER": 3}


def test_slots_that_become_free_go_to_who_has_fewer(tenant: Organisation, other: Organisation) -> None:
    ask(tenant, 40, MORE)
    open_all()
    ask(other, 30)
    end(4)
    open_all()
    assert count() == {"UTILITY": 14, "STRANGER": 4}
    end(8, organisation=tenant)
    open_all()
    assert count() == {"UTILITY": 6 + 3, "STRANGER": 9}


def test_hints_ahead_are_shared_while_the_slots_are_not_known(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 20, MORE)
    ask(other, 20)
    open_all(None, limit=10)
    assert count() == {"UTILITY": 5, "STRANGER": 5}


def test_an_organisation_may_have_a_limit(tenant: Organisation, settings: Settings) -> None:
    ask(tenant, 10)
    Organisation.objects.update(max_visits=3)
    assert len(open_all().sessions) == 3
    assert open_all().reasons == {Reason.ORGANISATION}
    assert open_all(None).reasons == {Reason.ORGANISATION}
    Organisation.objects.update(max_visits=None)
    settings.OSGP = settings.OSGP | {"ORGANISATION_MAX_VISITS": 5}
    assert len(open_all().sessions) == 2
    Organisation.objects.update(max_visits=0)
    end(5)
    assert open_all().sessions == []


def test_a_limit_holds_for_urgent_work_too(tenant: Organisation) -> None:
    Organisation.objects.update(max_visits=1)
    ask(tenant, 3, MOST)
    assert len(open_all().sessions) == 1


def test_slow_meters_have_a_lane_of_their_own(tenant: Organisation) -> None:
    ask(tenant, 30, MORE, is_slow=True)
    ask(tenant, 30, LESS)
    for _ in range(3):
        open_all()
    assert count("lane") == {"SLOW": 5, "NORMAL": 13}
    assert Request.objects.filter(in_slow_lane=1).count() == 25
    again = open_all()
    assert again.slow == frozenset(), "those that wait in the slow lane are not looked at again"
    assert again.reasons == {Reason.SLOW, Reason.SLOTS}


def test_one_tenant_leaves_half_of_the_slow_lane_to_others(tenant: Organisation, other: Organisation) -> None:
    ask(tenant, 30, is_slow=True)
    for _ in range(3):
        open_all()
    ask(other, 5, is_slow=True)
    for _ in range(3):
        open_all()
    assert count() == {"UTILITY": 3, "STRANGER": 2}


def test_slow_meters_with_urgent_requests_take_no_more_than_the_part_of_their_tenant(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 30, MOST, is_slow=True)
    for _ in range(3):
        open_all()
    assert count("lane") == {"URGENT": 1, "SLOW": 3}
    ask(other, 1, MOST, timedelta())
    assert [session.lane for session in open_all().sessions] == [VisitLane.URGENT]


def test_a_slot_of_slow_meters_that_becomes_free_is_used_again(tenant: Organisation) -> None:
    ask(tenant, 8, is_slow=True)
    for _ in range(2):
        open_all()
    assert count() == {"UTILITY": 5}
    end(2)
    open_all()
    assert count() == {"UTILITY": 5}


def test_without_known_slots_no_lane_is_narrow(tenant: Organisation) -> None:
    ask(tenant, 30, is_slow=True)
    assert len(open_all(None).sessions) == 30


def test_urgent_work_of_a_meter_that_waits_for_a_worker_changes_its_lane(
    tenant: Organisation, other: Organisation
) -> None:
    ask(tenant, 3)
    open_all()
    for device in Device.objects.all():
        factories.make_request(tenant, device, priority=MOST, effective_priority=MOST)
    hurried = states.hurry_sessions(slots=TWENTY)
    assert sorted((session.priority, session.lane) for session in hurried) == [
        (6, VisitLane.NORMAL),
        (6, VisitLane.NORMAL),
        (MOST, VisitLane.URGENT),
    ]
    assert states.hurry_sessions(slots=TWENTY) == [], "nothing is changed again"


def test_only_live_workers_that_visit_meters_have_slots() -> None:
    assert find_slots() is None
    for name, number, queues in (("a", 500, "meter,system"), ("b", 300, "meter"), ("c", 99, "notify")):
        heartbeats.beat(ProcessKind.WORKER, name, make_details(number), queues.split(","))
    assert find_slots() == Slots(800)
    heartbeats.end(ProcessKind.WORKER, "a")
    assert find_slots() == Slots(300)
    heartbeats.beat(ProcessKind.WORKER, "of a former release", None, ["meter"])
    assert find_slots() is None
    ProcessHeartbeat.objects.filter(queues="meter").update(beat_at=timezone.now() - AGO)
    assert find_slots() is None


@pytest.mark.parametrize("total", [1, 2, 3, 16, 500])
def test_every_lane_has_a_slot_if_there_are_two(total: int) -> None:
    slots = Slots(total)
    assert slots.common >= 1
    assert slots.urgent == 0 or slots.urgent_per_organisation >= 1
    assert 1 <= slots.slow <= slots.common
    assert slots.common + slots.urgent == total
