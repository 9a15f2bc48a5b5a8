"""What becomes a request, and what is refused without leaving a trace."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.serializers import utc_text
from osgp.processes import wakeup
from osgp.requests.due import find_due_requests
from osgp.requests.models import Action, Request, RequestState
from osgp.requests.submission import submit
from tests.factories import grant, make_caller, make_device, make_gas_meter
from tests.requests.operations import SampleMeter, SamplePlatform, registered


@pytest.fixture(autouse=True)
def _operations() -> Iterator[None]:
    with registered(SampleMeter, SamplePlatform):
        yield


def body_for(device: Device, **fields: Any) -> dict[str, Any]:
    return {"device_identification": device.identification, "size": 3, **fields}


def refused(caller: Caller, message: str, body: Any) -> Fault:
    with pytest.raises(Fault) as info:
        submit(caller, message, body)
    assert not Request.objects.exists()
    return info.value


def invalid(caller: Caller, message: str, body: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as info:
        submit(caller, message, body)
    assert not Request.objects.exists()
    assert isinstance(info.value.detail, dict)
    return info.value.detail


def test_a_request_and_its_action_are_stored(caller: Caller, device: Device) -> None:
    request = submit(caller, "SampleMeter", body_for(device, **{"from": "2026-01-01T01:00:00+01:00"}))
    request.refresh_from_db()
    assert (request.organisation, request.application) == (caller.organisation, "portal")
    assert (request.message, request.device_identification) == ("SampleMeter", device.identification)
    assert (request.device, request.meter) == (device, device)
    assert (request.priority, request.effective_priority, request.bypass_retry) == (4, 4, False)
    assert request.state == RequestState.QUEUED
    assert abs(request.due_at - request.created_at) < timedelta(minutes=1)
    action = request.actions.get()
    assert (action.message, action.device, action.position, action.state) == (
        "SampleMeter",
        device,
        0,
        "PENDING",
    )
    assert action.parameters == {"size": 3, "from": "2026-01-01T00:00:00Z"}


def test_common_fields_are_kept(caller: Caller, device: Device) -> None:
    later, latest = timezone.now() + timedelta(days=60), timezone.now() + timedelta(days=90)
    request = submit(
        caller,
        "SampleMeter",
        body_for(
            device,
            priority=9,
            bypass_retry=True,
            schedule_time=utc_text(later),
            max_schedule_time=utc_text(latest),
        ),
    )
    request.refresh_from_db()
    assert (request.priority, request.effective_priority, request.bypass_retry) == (9, 9, True)
    assert (request.state, request.due_at) == (RequestState.SCHEDULED, later)
    assert (request.schedule_time, request.max_schedule_time) == (later, latest)


def test_a_time_that_has_come_is_due_at_once(caller: Caller, device: Device) -> None:
    request = submit(caller, "SampleMeter", body_for(device, schedule_time="2020-01-01T00:00:00Z"))
    request.refresh_from_db()
    assert request.state == RequestState.QUEUED
    assert abs(request.due_at - request.created_at) < timedelta(minutes=1)


def test_a_gas_meter_is_dialled_through_its_gateway(
    caller: Caller, device: Device, gas_meter: Device
) -> None:
    request = submit(caller, "ActualMeterReadsGas", {"device_identification": gas_meter.identification})
    assert (request.device, request.meter) == (gas_meter, device)


def test_all_faulty_fields_are_named_at_once(caller: Caller, device: Device) -> None:
    errors = invalid(
        caller,
        "SampleMeter",
        {"device_identification": "no blanks!", "priority": 10, "size": "3", "colour": "red", "from": None},
    )
    assert set(errors) == {"device_identification", "priority", "size", "colour", "from"}


@pytest.mark.parametrize("identification", ["", "A" * 41, "A B", "A-B", "É", "A\n", None, 7, ["A"], "\0"])
def test_device_identifications_are_letters_and_digits(caller: Caller, identification: Any) -> None:
    errors = invalid(caller, "SampleMeter", {"device_identification": identification, "size": 3})
    assert list(errors) == ["device_identification"]


@pytest.mark.parametrize("priority", [-1, 10, 4.0, "4", True, None, 10**30])
def test_priorities_are_integers_of_one_digit(caller: Caller, device: Device, priority: Any) -> None:
    assert list(invalid(caller, "SampleMeter", body_for(device, priority=priority))) == ["priority"]


@pytest.mark.parametrize("field", ["state", "correlation_uid", "organisation"])
def test_fields_that_callers_do_not_have_are_unknown(caller: Caller, device: Device, field: str) -> None:
    errors = invalid(caller, "SampleMeter", body_for(device, **{field: "https://example.org/"}))
    assert errors == {field: ["Unknown field."]}


def test_the_latest_time_is_after_the_earliest(caller: Caller, device: Device) -> None:
    soon = utc_text(timezone.now() + timedelta(hours=1))
    errors = invalid(caller, "SampleMeter", body_for(device, schedule_time=soon, max_schedule_time=soon))
    assert errors == {"max_schedule_time": ["Must be after schedule_time."]}


def test_a_latest_time_that_has_passed_is_no_mistake(caller: Caller, device: Device) -> None:
    past = utc_text(timezone.now() - timedelta(seconds=1))
    request = submit(caller, "SampleMeter", body_for(device, max_schedule_time=past))
    assert request.state == RequestState.QUEUED
    assert not find_due_requests().exists()


@pytest.mark.parametrize("body", [[], "text", None, 3])
def test_a_body_must_be_an_object(caller: Caller, body: Any) -> None:
    with pytest.raises(ValidationError):
        submit(caller, "SampleMeter", body)


def test_unknown_messages_are_refused(caller: Caller, device: Device) -> None:
    fault = refused(caller, "ProbeNothing", body_for(device))
    assert (fault.code, fault.pointer) == (FaultCode.VALIDATION_ERROR, "/message")


def test_what_may_not_be_seen_looks_like_what_is_not_there(
    caller: Caller, other_organisation: Organisation
) -> None:
    foreign = make_device("FOREIGN", owner=other_organisation)
    hidden = refused(caller, "SampleMeter", body_for(foreign))
    foreign.delete()
    missing = refused(caller, "SampleMeter", {"device_identification": "FOREIGN", "size": 3})
    assert hidden.as_dict() == missing.as_dict()
    assert hidden.code == FaultCode.UNKNOWN_DEVICE


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        (DeviceFunctionGroup.OWNER, True),
        (DeviceFunctionGroup.MONITORING, True),
        (DeviceFunctionGroup.CONFIGURATION, False),
    ],
)
def test_only_granted_functions_may_be_used(
    other_organisation: Organisation, device: Device, group: DeviceFunctionGroup, allowed: bool
) -> None:
    grant(other_organisation, device, group)
    stranger = make_caller(other_organisation)
    if allowed:
        assert submit(stranger, "SampleMeter", body_for(device)).organisation == other_organisation
    else:
        assert refused(stranger, "SampleMeter", body_for(device)).code == FaultCode.UNAUTHORIZED


def test_the_token_must_have_the_scope_of_the_service(organisation: Organisation, device: Device) -> None:
    reader = make_caller(organisation, scopes=frozenset({"read", "monitoring"}))
    assert refused(reader, "SampleMeter", body_for(device)).code == FaultCode.UNAUTHORIZED


def test_devices_of_another_type_are_refused(caller: Caller, gas_meter: Device) -> None:
    fault = refused(caller, "SampleMeter", body_for(gas_meter))
    assert (fault.code, fault.pointer) == (FaultCode.VALIDATION_ERROR, "/device_identification")
    assert "SMART_METER_E" in fault.message
    assert "SMART_METER_G" in fault.message


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"protocol_version": "9.9"}, FaultCode.UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT),
        (
            {"protocol_name": "DSMR", "protocol_version": "4.2.2"},
            FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        ),
        ({"network_address": ""}, FaultCode.INVALID_IP_ADDRESS),
        ({"network_address": " "}, FaultCode.INVALID_IP_ADDRESS),
    ],
)
def test_devices_that_cannot_do_it_are_refused(
    caller: Caller, organisation: Organisation, fields: dict[str, str], code: FaultCode
) -> None:
    device = make_device(owner=organisation, **fields)
    fault = refused(caller, "SampleMeter", body_for(device))
    assert (fault.code, fault.pointer) == (code, "/device_identification")


def test_gas_meters_need_a_gateway_a_channel_and_an_address(
    caller: Caller, organisation: Organisation
) -> None:
    gateway = make_device("GATEWAY", network_address="")
    cases = [
        ({"gateway": None, "channel": None}, FaultCode.VALIDATION_ERROR),
        ({"gateway": gateway, "channel": None}, FaultCode.VALIDATION_ERROR),
        ({"gateway": gateway, "channel": 1}, FaultCode.INVALID_IP_ADDRESS),
    ]
    for number, (fields, code) in enumerate(cases):
        gas_meter = make_gas_meter(f"GAS{number}", owner=organisation, **fields)  # type: ignore[arg-type]
        fault = refused(caller, "ActualMeterReadsGas", {"device_identification": gas_meter.identification})
        assert (fault.code, fault.pointer) == (code, "/device_identification")


@pytest.mark.parametrize("message", ["GetMbusEncryptionKeyStatus", "SetEncryptionKeyExchangeOnGMeter"])
def test_messages_with_codes_of_their_own_for_devices_that_are_not_coupled(
    caller: Caller, organisation: Organisation, message: str
) -> None:
    alone = make_gas_meter("GAS1", gateway=None, channel=None, owner=organisation)
    lost = make_gas_meter("GAS2", gateway=make_device("GATEWAY"), channel=None, owner=organisation)
    for gas_meter, code in (
        (alone, FaultCode.GATEWAY_DEVICE_NOT_SET_FOR_MBUS_DEVICE),
        (lost, FaultCode.NO_MBUS_DEVICE_CHANNEL_FOUND),
    ):
        fault = refused(caller, message, {"device_identification": gas_meter.identification})
        assert (fault.code, fault.pointer) == (code, "/device_identification")


def test_platform_operations_check_for_themselves_and_dial_nothing(caller: Caller, device: Device) -> None:
    assert refused(caller, "SamplePlatform", body_for(device)).code == FaultCode.EXISTING_DEVICE
    request = submit(caller, "SamplePlatform", {"device_identification": "NEW", "size": 1})
    assert (request.device, request.meter, request.device_identification) == (None, None, "NEW")


def test_a_submission_costs_few_statements(
    caller: Caller, device: Device, django_assert_max_num_queries: Any
) -> None:
    # Savepoint and its release stand for BEGIN and COMMIT; then grants, request, action, audit entry,
    # notification.
    with django_assert_max_num_queries(7):
        submit(caller, "SampleMeter", body_for(device))


@pytest.mark.django_db(transaction=True)
def test_a_listener_hears_of_committed_work_only(caller: Caller, device: Device) -> None:
    with wakeup.Listener() as listener:
        while listener.wait(0.3):
            pass
        with transaction.atomic():
            submit(caller, "SampleMeter", body_for(device))
            transaction.set_rollback(True)
        assert not listener.wait(0.3)
        submit(caller, "SampleMeter", body_for(device))
        assert listener.wait(120)
        assert not listener.wait(0.1)
        later = utc_text(timezone.now() + timedelta(days=1))
        submit(caller, "SampleMeter", body_for(device, schedule_time=later))
        assert not listener.wait(0.3)
    assert Action.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_listener_survives_the_loss_of_its_connection(caller: Caller, device: Device) -> None:
    with wakeup.Listener() as listener:
        while listener.wait(0.3):
            pass
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
        submit(caller, "SampleMeter", body_for(device))
        assert listener.wait(120)


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_when_the_dispatcher_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with wakeup.Listener() as listener:
        assert not listener.wait(3600, stop)
