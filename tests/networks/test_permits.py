"""Limits of networks and cells: never exceeded, never leaked, most urgent first."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.networks.models import Cell, CommunicationNetwork
from osgp.requests import states, submission
from osgp.requests.models import MeterSession, Request, SessionState
from osgp.visits import platform_requests
from tests import factories
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db(transaction=True)

AGO = timedelta(minutes=1)


@pytest.fixture
def network(db: None) -> CommunicationNetwork:
    return CommunicationNetwork.objects.create(name="CDMA north")


def meters(organisation: Organisation, count: int, prefix: str = "E", **fields: Any) -> list[Device]:
    """Meters, each with a due request; priorities 0 to 9 in turn."""
    devices = []
    for number in range(count):
        device = factories.make_device(f"{prefix}{number:05}", owner=organisation, **fields)
        factories.make_request(
            organisation, device, effective_priority=number % 10, due_at=timezone.now() - AGO
        )
        devices.append(device)
    return devices


def opened(limit: int = 100) -> list[MeterSession]:
    return states.open_sessions(limit).sessions


def end(session: MeterSession) -> None:
    """The visit is over, its request with it."""
    with states_by_hand():
        Request.objects.filter(meter=session.meter).update(state="SUCCEEDED", completed_at=timezone.now())
        MeterSession.objects.filter(pk=session.pk).update(state=SessionState.CLOSED, closed_at=timezone.now())


def test_no_limits_no_difference(organisation: Organisation, network: CommunicationNetwork) -> None:
    meters(organisation, 5, network=network)
    meters(organisation, 5, "F")
    outcome = states.open_sessions(100)
    assert (len(outcome.sessions), outcome.held_back) == (10, False)


def test_open_sessions_of_a_network_are_limited(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 3
    network.save()
    meters(organisation, 10, network=network)
    meters(organisation, 2, "F")
    outcome = states.open_sessions(100)
    assert len(outcome.sessions) == 5
    assert outcome.held_back
    in_network = [session for session in outcome.sessions if session.meter.network_id == network.pk]
    assert sorted(session.priority for session in in_network) == [7, 8, 9]
    assert opened() == []
    end(next(session for session in in_network if session.priority == 8))
    assert [session.priority for session in opened()] == [6]


def test_a_full_network_does_not_starve_others(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 1
    network.save()
    urgent = meters(organisation, 50, network=network)
    Request.objects.filter(meter__in=urgent).update(effective_priority=9)
    meters(organisation, 5, "F")
    assert len(opened(4)) == 4
    assert MeterSession.objects.filter(meter__network=network).count() == 1


def test_cells_have_limits_of_their_own_or_the_networks(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions_per_cell = 2
    network.save()
    common = Cell.objects.create(network=network, base_station="1", cell="1")
    special = Cell.objects.create(network=network, base_station="1", cell="2", max_open_sessions=4)
    closed = Cell.objects.create(network=network, base_station="1", cell="3", max_open_sessions=0)
    for cell, prefix in ((common, "A"), (special, "B"), (closed, "C")):
        meters(organisation, 6, prefix, network=network, cell=cell)
    meters(organisation, 3, "D", network=network)
    for _ in range(2):
        opened()
    counts = {
        cell: MeterSession.objects.filter(meter__cell=cell).count() for cell in (common, special, closed)
    }
    assert counts == {common: 2, special: 4, closed: 0}
    assert MeterSession.objects.filter(meter__cell=None).count() == 3


def test_a_freed_place_in_a_cell_goes_to_the_most_urgent(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    cell = Cell.objects.create(network=network, base_station="1", cell="1", max_open_sessions=1)
    meters(organisation, 3, network=network, cell=cell)
    [first] = opened()
    late = factories.make_device("LATE", owner=organisation, network=network, cell=cell)
    factories.make_request(organisation, late, effective_priority=9, due_at=timezone.now() - AGO)
    assert opened() == []
    end(first)
    assert [session.meter for session in opened()] == [late]


def test_new_sessions_per_second(organisation: Organisation, network: CommunicationNetwork) -> None:
    network.max_new_sessions_per_second = 4
    network.save()
    meters(organisation, 10, network=network)
    assert len(opened()) == 4
    assert opened() == []
    MeterSession.objects.update(opened_at=timezone.now() - timedelta(seconds=2))
    assert len(opened()) == 4


def test_a_limit_of_zero_stops_a_network_and_a_change_takes_effect_at_once(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 0
    network.save()
    meters(organisation, 3, network=network)
    assert opened() == []
    assert not Request.objects.filter(attempts__gt=0).exists()
    network.max_open_sessions = 2
    network.save()
    assert len(opened()) == 2
    network.max_open_sessions = None
    network.save()
    assert len(opened()) == 1


def test_a_lost_session_gives_its_permit_back(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 1
    network.save()
    meters(organisation, 2, network=network)
    [first] = opened()
    assert states.claim(first.pk, first.token, "worker")
    MeterSession.objects.update(expires_at=timezone.now() - AGO)
    assert opened() == []
    assert states.reap() == 1
    assert len(opened()) == 1


def test_waiting_for_a_permit_uses_up_no_attempt(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 1
    network.save()
    meters(organisation, 3, network=network)
    for _ in range(5):
        opened()
    assert set(Request.objects.values_list("attempts", "state")) == {(0, "QUEUED")}


def test_dispatchers_side_by_side_do_not_exceed_a_limit(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.max_open_sessions = 5
    network.save()
    meters(organisation, 40, network=network)
    meters(organisation, 20, "F")
    barrier = threading.Barrier(4)

    def dispatch() -> None:
        try:
            barrier.wait()
            for _ in range(6):
                opened(3)
        finally:
            connection.close()

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while opened(3):  # Whoever came when it was another one's turn has opened none.
        pass
    assert MeterSession.objects.filter(meter__network=network).count() == 5
    assert MeterSession.objects.filter(meter__network=None).count() == 20


def test_nothing_limited_costs_one_query_more(
    organisation: Organisation, network: CommunicationNetwork, django_assert_max_num_queries: Any
) -> None:
    meters(organisation, 20, network=network)
    with django_assert_max_num_queries(10):
        assert len(opened()) == 20


def test_a_device_belongs_to_the_network_of_its_communication_method_from_the_start(
    organisation: Organisation, network: CommunicationNetwork
) -> None:
    network.communication_method = "CDMA"
    network.save()
    body = {
        "device_type": "SMART_METER_E",
        "protocol_name": "SMR",
        "protocol_version": "5.1",
        "network_address": "127.0.0.1",
        "transport": "WRAPPER",
        "security": "NONE",
    }
    caller = factories.make_caller(organisation)
    for identification, method in (("E1", "CDMA"), ("E2", "LTE")):
        fields = {"device_identification": identification, "communication_method": method, **body}
        submission.submit(caller, "AddDevice", fields)
    assert platform_requests.perform_due(10) == 2
    assert Device.objects.get(identification="E1").network == network
    assert Device.objects.get(identification="E2").network is None
