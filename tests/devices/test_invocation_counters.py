"""No invocation counter value is handed out twice, whatever runs at once."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from osgp.devices import invocation_counters
from osgp.devices.invocation_counters import END
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from tests.devices.concurrency import at_once
from tests.factories import make_device

per_example = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


COUNTS = [1, 64, 7, 3, 64, 2, 1, 30]


def stored(device: Device) -> int | None:
    return Device.objects.values_list("invocation_counter", flat=True).get(pk=device.pk)


def set_counter(device: Device, value: int | None) -> None:
    Device.objects.filter(pk=device.pk).update(invocation_counter=value)


def test_blocks_follow_each_other(device: Device) -> None:
    set_counter(device, 0)
    assert invocation_counters.reserve(device.pk, 64) == range(64)
    assert invocation_counters.reserve(device.pk, 1) == range(64, 65)
    assert stored(device) == 65


def test_an_unknown_counter_gives_none(device: Device) -> None:
    assert invocation_counters.reserve(device.pk, 64) is None
    assert stored(device) is None


def test_a_reservation_is_one_statement(
    device: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    set_counter(device, 7)
    with django_assert_num_queries(3):  # the test's own transaction adds a savepoint around it
        invocation_counters.reserve(device.pk, 64)


@pytest.mark.django_db(transaction=True)
def test_a_reservation_outside_of_a_transaction_is_nothing_but_the_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    device = make_device(invocation_counter=7)
    with django_assert_num_queries(1):
        assert invocation_counters.reserve(device.pk, 64) == range(7, 71)


@pytest.mark.django_db(transaction=True)
def test_a_reservation_that_could_be_rolled_back_is_refused() -> None:
    device = make_device(invocation_counter=7)
    with pytest.raises(RuntimeError), transaction.atomic():
        invocation_counters.reserve(device.pk, 64)
    assert stored(device) == 7


def test_a_meter_that_is_gone(device: Device) -> None:
    with pytest.raises(Fault) as refusal:
        invocation_counters.reserve(device.pk + 1, 64)
    assert refusal.value.code == FaultCode.UNKNOWN_DEVICE


@pytest.mark.parametrize("count", [0, -1])
def test_nothing_cannot_be_reserved(device: Device, count: int) -> None:
    with pytest.raises(ValueError):
        invocation_counters.reserve(device.pk, count)


def test_the_last_value_is_used_and_none_beyond(device: Device) -> None:
    set_counter(device, END - 64)
    assert invocation_counters.reserve(device.pk, 64) == range(END - 64, END)
    with pytest.raises(Fault) as refusal:
        invocation_counters.reserve(device.pk, 1)
    assert refusal.value.code == FaultCode.UNABLE_TO_PROCESS_REQUEST
    assert not refusal.value.retryable
    assert device.identification in refusal.value.message
    assert stored(device) == END


@per_example
@given(st.integers(0, END), st.integers(1, END))
def test_a_block_never_leaves_32_bits(device: Device, value: int, count: int) -> None:
    set_counter(device, value)
    try:
        block = invocation_counters.reserve(device.pk, count)
    except Fault:
        assert value + count > END
        assert stored(device) == value
    else:
        assert block == range(value, value + count)
        assert block.stop <= END


@per_example
@given(st.one_of(st.none(), st.integers(0, END)), st.lists(st.integers(0, END), min_size=1, max_size=5))
def test_adopting_never_lowers(device: Device, before: int | None, told: list[int]) -> None:
    set_counter(device, before)
    for value in told:
        invocation_counters.adopt(device.pk, value)
    assert stored(device) == max([*told, before if before is not None else 0])


@pytest.mark.parametrize("value", [-1, END + 1])
def test_what_is_no_counter_is_refused(device: Device, value: int) -> None:
    for refused in (invocation_counters.adopt, invocation_counters.reset_after_key_change):
        with pytest.raises(ValueError):
            refused(device.pk, value)


@pytest.mark.parametrize("value", [None, 0, 250])
def test_a_new_key_lets_the_counter_begin_anew(device: Device, value: int | None) -> None:
    set_counter(device, 2_000_000_000)
    invocation_counters.reset_after_key_change(device.pk, value)
    assert stored(device) == value


@pytest.mark.django_db(transaction=True)
def test_threads_never_get_the_same_value() -> None:
    meters = [make_device(f"E{number}", invocation_counter=number * 1000) for number in range(2)]

    def reserve_many(number: int) -> list[tuple[int, int]]:
        taken: list[tuple[int, int]] = []
        for turn, count in enumerate(COUNTS):
            meter = meters[(number + turn) % 2]
            taken += [(meter.pk, value) for value in invocation_counters.reserve(meter.pk, count) or ()]
            if turn % 3 == 0:
                # What a meter tells meanwhile may be old, or ahead of what the platform knows.
                invocation_counters.adopt(meter.pk, 500 * turn + number)
        return taken

    outcomes = at_once(8, reserve_many)
    taken: list[tuple[int, int]] = []
    for outcome in outcomes:
        assert not isinstance(outcome, Exception)
        taken += outcome
    assert len(taken) == 8 * sum(COUNTS)
    assert len(set(taken)) == len(taken)
    for meter in meters:
        values = [value for meter_id, value in taken if meter_id == meter.pk]
        assert max(values) < (stored(meter) or 0)
