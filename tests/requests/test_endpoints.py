"""Device rows that stand for one meter: one of them is visited at a time, and nobody else waits for that."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from osgp.requests import choosing, states
from osgp.requests.choosing import ChosenMeter
from osgp.requests.endpoints import LONGEST, NOWHERE
from osgp.requests.models import MeterSession, Request
from osgp.requests.work import load_meter
from tests.factories import make_device, make_organisation, make_request

pytestmark = pytest.mark.django_db(transaction=True)

TWIN = {"network_address": "meter.example.org", "port": 4060, "logical_device_address": 7}
AGO = timedelta(minutes=1)


@pytest.fixture
def other(db: None) -> Organisation:
    return make_organisation("OTHER")


def waiting(owner: Organisation, identification: str, priority: int = 4, **fields: Any) -> Device:
    """A meter with a request that is due."""
    device = make_device(identification, owner=owner, **TWIN | fields)
    due = timezone.now() - AGO
    make_request(owner, device, priority=priority, effective_priority=priority, due_at=due)
    return device


def opened(limit: int = 100) -> list[str]:
    return [session.meter.identification for session in states.open_sessions(limit).sessions]


def close(device: Device) -> None:
    """Let a visit do all that is due for the meter."""
    session = MeterSession.objects.get(meter=device, state__in=states.LIVE)
    claimed = states.claim_and_take(session.pk, session.token, "worker", 100)
    assert claimed is not None
    for [action] in claimed[1]:
        assert states.succeed(action.request.pk, action.pk, session.pk, device.pk, {})
    assert states.close(session.pk)


def test_the_second_one_waits_until_the_first_visit_is_over(
    organisation: Organisation, other: Organisation
) -> None:
    first = waiting(organisation, "E1", 5)
    second = waiting(other, "E2", 4)
    assert opened() == ["E1"]
    for _ in range(3):
        outcome = states.open_sessions(100)
        # Dispatchers look again soon.
        assert (outcome.sessions, outcome.held_back) == ([], True)
    request = Request.objects.get(meter=second)
    assert (request.state, request.attempts, request.crashes, request.fault) == ("QUEUED", 0, 0, None)
    close(first)
    assert opened() == ["E2"]
    close(second)
    outcome = states.open_sessions(100)
    assert (outcome.sessions, outcome.held_back) == ([], False)


def test_a_lease_that_runs_out_lets_the_second_one_go(
    organisation: Organisation, other: Organisation
) -> None:
    waiting(organisation, "E1", 5)
    waiting(other, "E2", 6)
    assert opened() == ["E2"]
    MeterSession.objects.update(expires_at=timezone.now() - AGO)
    assert opened() == []
    assert states.reap() == 1
    # Both are as urgent, and this one has waited for longer.
    Request.objects.update(effective_priority=4)
    assert opened() == ["E1"]


@pytest.mark.parametrize(
    "difference",
    [{"network_address": "meter2.example.org"}, {"port": 4061}, {"logical_device_address": 8}],
    ids=str,
)
def test_meters_that_differ_do_not_wait(organisation: Organisation, difference: dict[str, Any]) -> None:
    waiting(organisation, "E1")
    waiting(organisation, "E2", **difference)
    assert opened() == ["E1", "E2"]


def test_framing_is_no_difference(organisation: Organisation) -> None:
    waiting(organisation, "E1")
    waiting(organisation, "E2", framing="HDLC")
    assert opened() == ["E1"]


def test_meters_without_an_address_keep_nobody_from_anything(organisation: Organisation) -> None:
    for name in ("E1", "E2"):
        waiting(organisation, name, network_address="")
    assert opened() == ["E1", "E2"]
    assert set(MeterSession.objects.values_list("endpoint", flat=True)) == {NOWHERE}


@pytest.mark.parametrize("fields", [TWIN, {"network_address": ""}, {"network_address": "x" * 255}])
def test_an_endpoint_is_the_same_text_for_dispatchers_and_visits(
    organisation: Organisation, fields: dict[str, Any]
) -> None:
    device = waiting(organisation, "E1", **{"port": 65535, "logical_device_address": 65535} | fields)
    [session] = states.open_sessions(1).sessions
    session.refresh_from_db()
    assert session.endpoint == load_meter(device.pk).endpoint
    assert len(session.endpoint) <= LONGEST
    claimed = states.claim_and_take(session.pk, session.token, "worker", 1)
    assert claimed is not None
    assert claimed[0] == (device.pk, session.endpoint)


def test_a_thousand_rows_of_one_meter_delay_no_other(
    organisation: Organisation, other: Organisation, django_assert_max_num_queries: Any
) -> None:
    """All of them are more urgent and have waited for longer; the dispatcher asks for few at a time."""
    like = waiting(organisation, "E0", 9)
    rows = [
        Device(identification=f"T{number:04}", protocol_name="SMR", protocol_version="5.1", **TWIN)
        for number in range(1000)
    ]
    now = timezone.now()
    Request.objects.bulk_create(
        Request(
            organisation=organisation,
            message="SynchronizeTime",
            device=device,
            meter=device,
            priority=9,
            effective_priority=9,
            due_at=now - AGO,
            created_at=now,
        )
        for device in Device.objects.bulk_create(rows)
    )
    names = [
        waiting(other, f"U{number}", 0, network_address=f"u{number}.org").identification
        for number in range(6)
    ]
    with django_assert_max_num_queries(16):
        assert opened(3) == [like.identification, *names[:2]]
    with django_assert_max_num_queries(16):
        assert opened(3) == names[2:5]
    assert opened(3) == names[5:]
    outcome = states.open_sessions(3)
    assert (outcome.sessions, outcome.held_back) == ([], True)


def test_many_meters_that_are_visited_as_others_cost_one_query_more(
    organisation: Organisation, other: Organisation, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        waiting(organisation, f"E{number}", 5, port=5000 + number)
    assert len(opened()) == 20
    for number in range(20):
        waiting(other, f"F{number}", 9, port=5000 + number)
    waiting(other, "G", 0)
    with django_assert_max_num_queries(10):
        assert opened(1) == ["G"]


def test_who_waits_for_another_visit_uses_no_permit(organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name="CDMA north", max_open_sessions=2)
    waiting(organisation, "E1", 9, network=network)
    waiting(organisation, "E2", 8, network=network)
    waiting(organisation, "E3", 7, network=network, port=1)
    waiting(organisation, "E4", 6, network=network, port=2)
    assert opened() == ["E1", "E3"]


def test_who_waits_for_a_permit_does_not_keep_the_other_row_waiting(organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name="CDMA north", max_open_sessions=0)
    waiting(organisation, "E1", 9, network=network)
    waiting(organisation, "E2", 8)
    assert opened() == ["E2"]


def test_a_session_of_the_former_release_keeps_its_own_meter_only(organisation: Organisation) -> None:
    device = waiting(organisation, "E1", 5)
    assert opened() == ["E1"]
    MeterSession.objects.update(endpoint=None)
    waiting(organisation, "E2")
    assert opened() == ["E2"]
    session = MeterSession.objects.get(meter=device)
    assert states.claim(session.pk, session.token, "worker") == (device.pk, None)


def test_the_database_allows_one_live_session_per_endpoint(organisation: Organisation) -> None:
    one, other = (waiting(organisation, name) for name in ("E1", "E2"))
    [session] = states.open_sessions(1).sessions
    fields = {"opened_at": timezone.now(), "expires_at": timezone.now(), "endpoint": session.endpoint}
    with pytest.raises(IntegrityError), transaction.atomic():
        MeterSession.objects.create(meter=other, **fields)
    close(one)
    MeterSession.objects.create(meter=other, **fields)


def test_a_lost_race_costs_the_other_meters_nothing(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if another dispatcher had opened a session of the endpoint after this one looked."""
    _, other, third = (
        waiting(organisation, name, port=port) for name, port in (("E1", 1), ("E2", 1), ("E3", 2))
    )
    assert opened(1) == ["E1"]
    endpoints = {device.pk: load_meter(device.pk).endpoint for device in (other, third)}
    chosen = [ChosenMeter(pk, endpoint, 4) for pk, endpoint in endpoints.items()]
    monkeypatch.setattr(choosing, "choose_meters", lambda *_, **__: choosing.Choice(chosen))
    assert opened() == ["E3"]
    assert MeterSession.objects.filter(state="OPENED").count() == 2


def test_dispatchers_side_by_side_open_each_endpoint_once(
    organisation: Organisation, other: Organisation
) -> None:
    for number in range(30):
        for owner in (organisation, other):
            waiting(owner, f"{owner.identification}{number}", number % 10, port=5000 + number)
    barrier = threading.Barrier(4)

    def dispatch() -> None:
        try:
            barrier.wait()
            for _ in range(6):
                states.open_sessions(3)
        finally:
            connection.close()

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while opened(3):  # Whoever came when it was another one's turn has opened none.
        pass
    endpoints = MeterSession.objects.values_list("endpoint", flat=True)
    assert len(endpoints) == len(set(endpoints)) == 30
