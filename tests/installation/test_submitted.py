"""AddDevice all the way: submitted, stored, carried out."""

import pytest

from osgp.accounts.caller import Caller
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.faults import Fault, FaultCode
from osgp.requests.models import Request, RequestState
from osgp.requests.submission import submit
from osgp.visits.platform_requests import perform_due
from tests.installation.bodies import ACTIVE_E_METER_KEYS, IDENTIFICATION, e_meter

COMMON = {"device_identification": IDENTIFICATION}


def test_a_submitted_device_is_there_once_its_request_succeeded(caller: Caller) -> None:
    request = submit(caller, "AddDevice", COMMON | e_meter())
    assert not Device.objects.exists()
    assert perform_due(10) == 1
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    device = Device.objects.get(identification=IDENTIFICATION)
    assert request.device == device
    assert request.actions.get().result == {"device_identification": IDENTIFICATION, "created": True}
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS


def test_of_two_accepted_requests_for_one_device_the_second_fails_with_204(caller: Caller) -> None:
    requests = [submit(caller, "AddDevice", COMMON | e_meter()) for _ in range(2)]
    assert perform_due(10) == 2
    for request in requests:
        request.refresh_from_db()
    assert [request.state for request in requests] == [RequestState.SUCCEEDED, RequestState.FAILED]
    fault = requests[1].fault
    assert fault is not None
    assert fault["code"] == FaultCode.EXISTING_DEVICE


def test_what_cannot_succeed_is_not_stored(caller: Caller) -> None:
    with pytest.raises(Fault):
        submit(caller, "AddDevice", COMMON | e_meter(encryption_key="A" * 344))
    assert not Request.objects.exists()
