"""A tenant whose meters are silent, and another one whose urgent request does not wait for them."""

import socket
from contextlib import closing
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import MeterSession, Request, RequestState, SessionState, VisitLane
from osgp.requests.slots import Slots, find_slots
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters, processes

pytestmark = pytest.mark.django_db(transaction=True)

PATIENT = {"OSGP_APDU_DEADLINE_SECONDS": "300", "OSGP_SLOW_AFTER_SECONDS": "300"}
"""The silent meters keep their slots until the test ends."""


def test_another_tenants_urgent_request_is_carried_out_while_one_holds_all_slots_that_it_may(
    organisation: Organisation, other_organisation: Organisation
) -> None:
    if not processes.are_shared():
        pytest.skip("One process has no slots that workers tell.")
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        [good] = meters.add_meters(other_organisation, simulator).values()
        with (
            closing(socket.create_server(("127.0.0.1", 0), backlog=200)) as silent,
            processes.dispatcher(),
            processes.worker(**PATIENT),
        ):
            processes.eventually(find_slots, "a worker that tells its slots")
            slots = find_slots()
            assert slots is not None
            _ask_silent_meters(organisation, silent.getsockname()[1], slots)
            held = MeterSession.objects.filter(organisation=organisation, state=SessionState.CLAIMED)
            most = slots.common + slots.urgent_per_organisation
            processes.eventually(lambda: held.count() == most, "visits in all slots that the tenant may have")
            urgent = factories.make_request(other_organisation, good, priority=9, effective_priority=9)
            done = Request.objects.filter(pk=urgent.pk, state=RequestState.SUCCEEDED)
            processes.eventually(done.exists, "the urgent request of another tenant")
            assert held.count() == most
            assert held.filter(lane=VisitLane.URGENT).count() == slots.urgent_per_organisation
            waiting = Request.objects.filter(organisation=organisation, state=RequestState.QUEUED)
            assert waiting.exists()
            # The silent ones hang up, and nothing more is dialled: the worker ends in good order.
            waiting.update(due_at=timezone.now() + timedelta(days=1))


def _ask_silent_meters(owner: Organisation, port: int, slots: Slots) -> None:
    """More than there are slots, all of them urgent, behind one socket."""
    number = slots.total + 20
    address = {"network_address": "127.0.0.1", "port": port, "security": "NONE"}
    for place in range(1, number + 1):
        device = factories.make_device(f"S{place:03}", owner=owner, logical_device_address=place, **address)
        factories.make_request(owner, device, priority=9, effective_priority=9)
    assert Device.objects.filter(port=port).count() == number
