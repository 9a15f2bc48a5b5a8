"""Messages of debugged devices are kept, whatever becomes of the visit; those of others are not."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.devices.models import Device
from osgp.message_logs import recording
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.processes.stopping import StopRequested
from osgp.protocol_dlms import Data, DataType, Direction, Meter, TraceRecord
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.models import MeterSession, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.visits.leases import LeaseLost
from osgp.visits.visit import Visit
from tests import meters
from tests.message_logs.conftest import Due, debug, log_of
from tests.requests.operations import registered

pytestmark = pytest.mark.django_db(transaction=True)

OPENING = ["AARQ", "AARE", "action-request-normal", "action-response-normal"]
PUBLIC = ["AARQ", "AARE", "get-request-normal", "get-response-normal", "RLRQ", "RLRE"]
"""How the public client reads the invocation counter of a meter that is not known yet."""
RELEASE = ["RLRQ", "RLRE"]


def services(log: list[MessageLog]) -> list[str]:
    return [entry.service for entry in log]


def test_everything_that_is_exchanged_is_kept(electricity: Device, due: Due) -> None:
    debug(electricity)
    request = due(electricity)
    session = MeterSession.objects.get(pk=meters.visit(electricity))
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    log = log_of(electricity)
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert {entry.session_id for entry in log} == {session.pk}
    assert [entry.direction for entry in log] == ["SENT", "RECEIVED"] * (len(log) // 2)
    assert services(log)[:10] == PUBLIC + OPENING
    assert services(log)[-2:] == RELEASE
    # Those of the public client included.
    assert len(log) == 2 * session.round_trips
    during = [entry for entry in log if entry.message]
    assert log[10:-2] == during
    assert {entry.message for entry in during} == {"ActualMeterReads"}
    assert {entry.correlation_uid for entry in during} == {request.correlation_uid}
    assert {entry.correlation_uid for entry in log[:10] + log[-2:]} == {None}
    read = "\n".join(entry.description for entry in during)
    assert "3/1-0:1.8.0.255/2 ACTIVE_ENERGY_IMPORT value: double-long-unsigned" in read
    assert [entry.at for entry in log] == sorted(entry.at for entry in log)
    assert all(entry.length == len(entry.apdu) // 2 and not entry.is_cut for entry in log)


def test_nothing_is_kept_of_others(
    electricity: Device, gas: Device, due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = []
    connect = Meter.connect

    def watch(*args: Any, **options: Any) -> Meter:
        traces.append(options["trace"])
        return connect(*args, **options)

    monkeypatch.setattr(Meter, "connect", watch)
    due(electricity)
    due(gas, "ActualMeterReadsGas")
    meters.visit(electricity)
    # A gas meter with nothing to be done does not make others' messages its own.
    debug(gas)
    due(electricity)
    meters.visit(electricity)
    assert traces
    assert set(traces) == {None}
    assert not MessageLog.objects.exists()


def test_debugging_ends_by_itself(electricity: Device, due: Due) -> None:
    debug(electricity, until=timedelta(seconds=-1))
    due(electricity)
    meters.visit(electricity)
    assert not MessageLog.objects.exists()


def test_an_mbus_device_has_its_own_part(electricity: Device, gas: Device, due: Due) -> None:
    debug(gas)
    due(electricity, effective_priority=9)
    of_gas = due(gas, "ActualMeterReadsGas")
    due(electricity, "SynchronizeTime", effective_priority=1)
    meters.visit(electricity)
    log = log_of(gas)
    assert not log_of(electricity)
    assert services(log)[:10] == PUBLIC + OPENING
    assert services(log)[-2:] == RELEASE
    assert {entry.message for entry in log} == {"", "ActualMeterReadsGas"}
    assert {entry.correlation_uid for entry in log} == {None, of_gas.correlation_uid}
    assert "(channel 1)" in "\n".join(entry.description for entry in log)


def test_a_gateway_has_all_of_it(electricity: Device, gas: Device, due: Due) -> None:
    debug(electricity)
    due(gas, "ActualMeterReadsGas")
    due(electricity)
    meters.visit(electricity)
    assert {entry.message for entry in log_of(electricity)} == {"", "ActualMeterReads", "ActualMeterReadsGas"}
    assert not log_of(gas)


def test_both_have_their_own(electricity: Device, gas: Device, due: Due) -> None:
    debug(electricity, gas)
    due(gas, "ActualMeterReadsGas")
    due(electricity)
    meters.visit(electricity)
    whole, part = log_of(electricity), log_of(gas)
    assert {entry.message for entry in whole} == {"", "ActualMeterReads", "ActualMeterReadsGas"}
    assert {entry.message for entry in part} == {"", "ActualMeterReadsGas"}
    numbers = {entry.number: entry.apdu for entry in whole}
    assert all(numbers[entry.number] == entry.apdu for entry in part)


# However the visit ends


@pytest.mark.parametrize(
    "kind", [FaultKind.DROP_MID_ANSWER, FaultKind.HANG, FaultKind.WRONG_TAG, FaultKind.CUT_SHORT]
)
def test_a_visit_that_fails(
    electricity: Device, simulated: SimulatedMeter, due: Due, kind: FaultKind
) -> None:
    due(electricity)
    meters.visit(electricity)
    debug(electricity)
    request = due(electricity)
    simulated.faults.switch_on(kind)
    meters.visit(electricity)
    request.refresh_from_db()
    # An answer with a wrong tag would have one the next time, too.
    fails = kind is FaultKind.WRONG_TAG
    assert request.state == (RequestState.FAILED if fails else RequestState.RETRYING)
    assert services(log_of(electricity))[0] == "AARQ"


def test_a_meter_that_refuses_the_association(
    electricity: Device, simulated: SimulatedMeter, due: Due
) -> None:
    due(electricity)
    meters.visit(electricity)
    debug(electricity)
    due(electricity)
    simulated.faults.switch_on(FaultKind.REFUSE_ASSOCIATION)
    meters.visit(electricity)
    answer = log_of(electricity)[1]
    assert answer.service == "AARE"
    assert "rejected-permanent (1)" in answer.description


@pytest.mark.parametrize("interruption", [StopRequested, LeaseLost, RuntimeError])
def test_a_visit_that_is_interrupted(
    electricity: Device, due: Due, monkeypatch: pytest.MonkeyPatch, interruption: type[Exception]
) -> None:
    debug(electricity)
    due(electricity, effective_priority=9)
    due(electricity, "SynchronizeTime", effective_priority=1)
    perform = Visit._perform

    def interrupted(self: Visit, association: Meter, action: Any) -> Any:
        if action.message == "SynchronizeTime":
            raise interruption
        return perform(self, association, action)

    monkeypatch.setattr(Visit, "_perform", interrupted)
    meters.visit(electricity)
    log = log_of(electricity)
    failed = [entry.message for entry in log if entry.direction == MessageDirection.FAILED]
    assert failed == (["SynchronizeTime"] if interruption is RuntimeError else [])
    assert {entry.message for entry in log if entry.failed_call is None} == {"", "ActualMeterReads"}


def test_a_long_log_is_stored_in_slices_by_a_lane(
    electricity: Device, due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    debug(electricity)
    monkeypatch.setattr(recording, "SLICE", 4)
    slices: list[tuple[int, str]] = []
    create = MessageLog.objects.bulk_create

    def watch(rows: list[MessageLog]) -> Any:
        slices.append((len(rows), threading.current_thread().name))
        return create(rows)

    monkeypatch.setattr(MessageLog.objects, "bulk_create", watch)
    due(electricity)
    meters.visit(electricity)
    assert len(slices) > 3
    assert {size for size, _ in slices[:-1]} == {4}
    assert all(name.startswith("database-lane") for _, name in slices)
    assert sum(size for size, _ in slices) == len(log_of(electricity))


@pytest.mark.parametrize(("limit", "value"), [("MOST_MESSAGES", 7), ("MOST_CHARACTERS", 1500)])
def test_a_log_that_grows_too_long_is_cut(
    electricity: Device, due: Due, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    debug(electricity)
    monkeypatch.setattr(recording, limit, value)
    request = due(electricity)
    meters.visit(electricity)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    log = log_of(electricity)
    assert len(log) < 10
    assert log[-1].description.startswith("The log of this visit ends here")
    assert not any("ends here" in entry.description for entry in log[:-1])


def test_a_log_that_cannot_be_stored_is_lost_without_harm(
    electricity: Device, due: Due, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(rows: list[MessageLog]) -> None:
        raise DatabaseError("full")

    debug(electricity)
    monkeypatch.setattr(MessageLog.objects, "bulk_create", fail)
    request = due(electricity)
    meters.visit(electricity)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    assert "could not be logged" in caplog.text


def test_a_message_that_cannot_be_described_does_no_harm(
    electricity: Device, due: Due, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(record: TraceRecord) -> str:
        raise ValueError("?")

    debug(electricity)
    monkeypatch.setattr(recording, "format_hexadecimal", fail)
    request = due(electricity)
    meters.visit(electricity)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    assert "could not be logged" in caplog.text


# Secrets

SECRET = b"Qz7#Xw9!Kj5$Vy3&"
DATA = Data(DataType.OCTET_STRING, SECRET)
ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))
SETUP = bytes((0, 0, 43, 0, 0, 255))
MBUS_CLIENT = bytes((0, 1, 24, 1, 0, 255))


class TellSecrets(MeterOperation[NoParameters, NoResult]):
    """Everything with a secret that can be sent."""

    message = "TellSecrets"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        password = AttributeDescriptor(15, ASSOCIATION, 7)
        for method in (
            MethodDescriptor(15, ASSOCIATION, 2),
            MethodDescriptor(64, SETUP, 2),
            MethodDescriptor(72, MBUS_CLIENT, 6),
            MethodDescriptor(72, MBUS_CLIENT, 7),
            MethodDescriptor(72, MBUS_CLIENT, 8),
        ):
            with suppress(AccessError):
                meter.association.invoke(method, DATA)
        with suppress(AccessError):
            meter.association.set(password, DATA)
        with suppress(AccessError):
            meter.association.get(password)
        meter.association.set_many([(password, DATA), (password, DATA)])
        return {}


@pytest.fixture
def tell_secrets() -> Iterator[str]:
    """The name of a message."""
    with registered(TellSecrets):
        yield TellSecrets.message


@pytest.mark.parametrize("transport", Framing)
@pytest.mark.parametrize("security", Security)
def test_no_secret_is_in_any_row(
    organisation: Organisation,
    impatient: None,
    tell_secrets: str,
    due: Due,
    security: Security,
    transport: Framing,
) -> None:
    fleet = Fleet.build(1, "SMR-5.1", gas_meters=1, security=security, framing=transport)
    with SimulatorThread(fleet) as simulator:
        electricity, _ = meters.add_meters(organisation, simulator).values()
        described = next(iter(simulator.fleet.describe()))["keys"]
        debug(electricity)
        due(electricity, effective_priority=9)
        due(electricity, tell_secrets, effective_priority=1)
        meters.visit(electricity)
    log = log_of(electricity)
    assert {entry.message for entry in log} == {"", "ActualMeterReads", "TellSecrets"}
    told = [entry for entry in log if entry.message == "TellSecrets" and entry.direction == "SENT"]
    assert len(told) == 9
    secrets = [SECRET]
    for name, value in described.items():
        is_hex = isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{2}){16,}", value)
        secrets.append(bytes.fromhex(value) if is_hex and name != "lls_password" else str(value).encode())
    everything = "\n".join(f"{entry.apdu}\n{entry.description}\n{entry.service}" for entry in log).lower()
    for secret in secrets:
        assert secret.hex() not in everything
        assert secret.decode("latin-1").lower() not in everything
    for entry in told:
        if entry.service != "get-request-normal":
            assert "**" * len(SECRET) in entry.apdu
            assert "hidden" in entry.description
    for entry in log:
        if entry.service in {"AARQ", "AARE"} and "authentication value" in entry.description:
            assert re.search(r"(\*\*){4,}", entry.apdu)


def test_hidden_octets_in_hexadecimal() -> None:
    def text(*hidden: tuple[int, int], length: int = 4) -> str:
        apdu = bytes(number % 256 for number in range(length))
        return recording.format_hexadecimal(TraceRecord(Direction.SENT, apdu, timezone.now(), hidden))

    assert text() == "00010203"
    assert text((1, 2), (3, 4)) == "00**02**"
    assert text((0, 4)) == "********"
    long = text((4000, 5000), length=6000)
    assert len(long) == 2 * recording.MOST_OCTETS
    assert long.endswith("**" * 96)
    behind = text((4200, 5000), length=6000)
    assert len(behind) == 2 * recording.MOST_OCTETS
    assert "*" not in behind


def test_directions_are_those_of_the_protocol() -> None:
    assert set(recording._DIRECTIONS) == set(Direction)
    assert {*recording._DIRECTIONS.values(), MessageDirection.FAILED} == set(MessageDirection)
