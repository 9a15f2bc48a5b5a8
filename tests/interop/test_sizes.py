"""Requests fit what a meter takes, and answers what the client says it takes, whatever the sizes."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue.cosem import MethodDescriptor
from osgp.protocol_dlms import (
    AccessResult,
    CaptureObjectDefinition,
    CosemDateTime,
    Data,
    DataType,
    Limits,
    Meter,
    RangeDescriptor,
    Security,
    TraceRecord,
    errors,
)
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator import Security as SimulatedSecurity
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.visited import Visits

NOW = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)
PROFILE = catalogue.find_profile("SMR", "5.1")
READABLE = [
    PROFILE[tag].address_attribute(number)
    for tag, number in (
        ("CLOCK", 2),
        ("ACTIVE_ENERGY_IMPORT", 2),
        ("ACTIVE_ENERGY_IMPORT", 3),
        ("SPECIAL_DAYS_TABLE", 2),
        ("ACTIVITY_CALENDAR", 2),
        ("DEVICE_ID_1", 2),
    )
]
CALENDAR = PROFILE["ACTIVITY_CALENDAR"].address_attribute("calendar_name_passive")
ZONE = PROFILE["CLOCK"].address_attribute("time_zone")
ALARMS = PROFILE["ALARM_FILTER_1"].address_attribute("value")
DAYS = PROFILE["SPECIAL_DAYS_TABLE"].address_attribute("entries")
HOURLY = PROFILE["INTERVAL_VALUES_E"].address_attribute("buffer")
UNKNOWN_METHOD = MethodDescriptor(70, PROFILE["DISCONNECT_CONTROL"].address_method(1).logical_name, 99)
LEAST_CIPHERED = 128
"""Octets that an AARQ with a ciphered initiate request has, about: the meter takes that in any case."""


class Sized(NamedTuple):
    """A simulator whose meters take and send APDUs of a size that changes."""

    visits: Visits
    settings: FleetSettings

    def simulated(self, security: Security) -> SimulatedMeter:
        return next(
            meter for meter in self.visits.running.meters.values() if meter.security.value == security.value
        )

    def connect(self, security: Security, **changes: object) -> Meter:
        return self.visits.connect(self.simulated(security), with_list_max=32, **changes)


@pytest.fixture(scope="module")
def sized() -> Iterator[Sized]:
    of_fleet = FleetSettings(clock=NOW.timestamp)
    fleet = Fleet.build(
        2, "SMR-5.1", security=[SimulatedSecurity.LLS, SimulatedSecurity.HLS5], settings=of_fleet
    )
    with SimulatorThread(fleet) as running:
        yield Sized(Visits(running), of_fleet)


def special_days(count: int) -> Data:
    return Data(
        DataType.ARRAY,
        tuple(
            Data(
                DataType.STRUCTURE,
                (
                    Data(DataType.LONG_UNSIGNED, index),
                    Data(DataType.OCTET_STRING, bytes((0x07, 0xEA, 1 + index % 12, 1 + index % 28, 0xFF))),
                    Data(DataType.UNSIGNED, 1),
                ),
            )
            for index in range(count)
        ),
    )


WAYS = st.one_of(
    st.tuples(st.just(Security.LLS), st.integers(64, 200)),
    st.tuples(st.just(Security.HLS5), st.integers(LEAST_CIPHERED, 200)),
)
thorough = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@thorough
@given(way=WAYS, count=st.integers(1, 30), days=st.integers(0, 30), length=st.integers(0, 150))
def test_every_request_fits_what_the_meter_takes(
    sized: Sized, way: tuple[Security, int], count: int, days: int, length: int
) -> None:
    """Lists of any length, and long values and parameters, to meters that take 64 to 200 octets."""
    security, size = way
    simulated = sized.simulated(security)
    sized.settings.maximum_pdu_size = 1024
    wanted = list(itertools.islice(itertools.cycle(READABLE), count))
    with sized.connect(security) as meter:
        meter.set(DAYS, special_days(days))
        usual = meter.get_many(wanted)
    sized.settings.maximum_pdu_size = size
    exceptions = simulated.memory.statistics.exceptions
    name = Data(DataType.OCTET_STRING, bytes(range(min(length, 8))))
    with sized.connect(security) as meter:
        assert meter.get_many(wanted) == usual
        meter.set(DAYS, special_days(days))
        values = [(CALENDAR, name), (ZONE, Data(DataType.LONG, -60)), (DAYS, special_days(days))]
        many = list(itertools.islice(itertools.cycle(values), count))
        assert meter.set_many(many) == [AccessResult.SUCCESS] * count
        with pytest.raises(errors.AccessError):
            meter.invoke(UNKNOWN_METHOD, Data(DataType.OCTET_STRING, bytes(length)))
        assert meter.get(DAYS) == special_days(days)
        assert meter.get(CALENDAR) == name
        assert meter.list_size_learned is None
    assert simulated.memory.statistics.exceptions == exceptions


@thorough
@given(way=WAYS, columns=st.integers(0, 8))
def test_a_range_that_does_not_fit_is_not_sent(sized: Sized, way: tuple[Security, int], columns: int) -> None:
    """A GET cannot go in blocks: the caller is told before anything is sent, and asks for all columns."""
    security, size = way
    sized.settings.maximum_pdu_size = size
    simulated = sized.simulated(security)
    exceptions = simulated.memory.statistics.exceptions
    begin, end = (
        CosemDateTime(moment.year, moment.month, moment.day, hour=moment.hour, minute=0, second=0)
        for moment in (NOW - timedelta(hours=3), NOW)
    )
    clock = CaptureObjectDefinition(READABLE[0])
    selection = RangeDescriptor(begin, end, [clock] * columns)
    # Header, descriptor, selector; restricting object, bounds, array; 18 octets for each column.
    plain = 3 + 9 + 1 + 1 + 2 + 18 + 2 * 13 + 2 + 18 * columns
    ciphering = 23 if security is Security.HLS5 else 0
    with sized.connect(security) as meter:
        before = meter.statistics.round_trips
        if plain + ciphering <= size:
            meter.read_profile(HOURLY, selection)
        else:
            with pytest.raises(errors.RequestTooLong) as refusal:
                meter.read_profile(HOURLY, selection)
            assert (refusal.value.code, refusal.value.retryable) == (414, False)
            assert meter.statistics.round_trips == before
        assert meter.get(READABLE[1])
    assert simulated.memory.statistics.exceptions == exceptions


@pytest.mark.parametrize("security", [Security.LLS, Security.HLS5])
@pytest.mark.parametrize("size", [128, 129, 160, 200, 255, 256, 1024, 2048, 65535])
def test_answers_fit_what_the_client_takes(sized: Sized, security: Security, size: int) -> None:
    """The receive size that the client proposes: the meter answers in smaller blocks."""
    sized.settings.maximum_pdu_size = 65535
    answers: list[int] = []

    def note(record: TraceRecord) -> None:
        if record.apdu[0] in (0xC4, 0xC5):
            answers.append(len(record.apdu))

    ciphering = 23 if security is Security.HLS5 else 0
    with sized.connect(security, limits=Limits(apdu_size=size), trace=note) as meter:
        meter.set(DAYS, special_days(40))
        assert meter.get(DAYS) == special_days(40)
        assert len(meter.read_profile(HOURLY)) > 100
        values = meter.get_many(READABLE * 4)
        assert values[3] == special_days(40)
    assert max(answers) <= size - ciphering
    assert max(answers) > min(size, 1024) - ciphering - 4
