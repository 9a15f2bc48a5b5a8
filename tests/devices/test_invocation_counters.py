"""No invocation counter value is handed out twice for one key, whatever runs at once."""

import hashlib
import time
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pytest_django import DjangoAssertNumQueries

from osgp.devices import fingerprints, invocation_counters, keystore
from osgp.devices.invocation_counters import END, MOST_TRIED
from osgp.devices.models import CounterGeneration, Device, FingerprintKey, KeyCounter, KeyType
from osgp.faults import Fault, FaultCode
from tests.counters import counter_of, set_counter
from tests.devices.concurrency import at_once
from tests.factories import make_device

per_example = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
COUNTS = [1, 64, 7, 3, 64, 2, 1, 30]
KEY, OTHER = b"k" * 16, b"o" * 16
ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
LEAP = 1_000_000
DAY = 86_400


def make_counter(value: int | None, key: bytes = KEY) -> int:
    """The id of the counter of a key."""
    [counter] = invocation_counters.ensure(fingerprints.load(), [key], value).values()
    KeyCounter.objects.filter(pk=counter).update(next_value=value)
    return counter


def stored(counter: int) -> int | None:
    return KeyCounter.objects.values_list("next_value", flat=True).get(pk=counter)


@pytest.fixture
def counter(db: None) -> int:
    return make_counter(0)


def test_blocks_follow_each_other(counter: int) -> None:
    assert invocation_counters.reserve(counter, 64) == range(64)
    assert invocation_counters.reserve(counter, 1) == range(64, 65)
    assert stored(counter) == 65


@pytest.mark.django_db
def test_an_unknown_counter_gives_none() -> None:
    counter = make_counter(None)
    assert invocation_counters.reserve(counter, 64) is None
    assert stored(counter) is None


@pytest.mark.django_db(transaction=True)
def test_a_reservation_outside_of_a_transaction_is_nothing_but_the_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    counter = make_counter(7)
    invocation_counters.reserve(counter, 1)  # PostgreSQL prepares the statement
    with django_assert_num_queries(1):
        assert invocation_counters.reserve(counter, 64) == range(8, 72)


@pytest.mark.django_db(transaction=True)
def test_a_reservation_that_could_be_rolled_back_is_refused() -> None:
    counter = make_counter(7)
    for take in (
        lambda: invocation_counters.reserve(counter, 64),
        lambda: invocation_counters.try_from(counter, 500, 2),
    ):
        with pytest.raises(RuntimeError), transaction.atomic():
            take()
    assert stored(counter) == 7


def test_a_counter_that_is_gone(counter: int) -> None:
    with pytest.raises(Fault) as refusal:
        invocation_counters.reserve(counter + 1, 64)
    assert refusal.value.code == FaultCode.UNKNOWN_DEVICE


@pytest.mark.parametrize("count", [0, -1])
def test_nothing_cannot_be_reserved(counter: int, count: int) -> None:
    with pytest.raises(ValueError):
        invocation_counters.reserve(counter, count)


@pytest.mark.django_db
def test_the_last_value_is_used_and_none_beyond() -> None:
    counter = make_counter(END - 64)
    assert invocation_counters.reserve(counter, 64) == range(END - 64, END)
    with pytest.raises(Fault) as refusal:
        invocation_counters.reserve(counter, 1)
    assert refusal.value.code == FaultCode.UNABLE_TO_PROCESS_REQUEST
    assert not refusal.value.retryable
    assert stored(counter) == END


@per_example
@given(st.one_of(st.none(), st.integers(0, END)), st.lists(st.integers(0, END), min_size=1, max_size=5))
def test_adopting_never_lowers(counter: int, before: int | None, told: list[int]) -> None:
    KeyCounter.objects.update(next_value=before)
    for value in told:
        invocation_counters.adopt(counter, value)
    assert stored(counter) == max([*told, before if before is not None else 0])


@pytest.mark.parametrize("value", [-1, END + 1])
def test_what_is_no_counter_is_refused(counter: int, value: int) -> None:
    with pytest.raises(ValueError):
        invocation_counters.adopt(counter, value)


# --- Keys -------------------------------------------------------------------------------------------------


def give(device: Device, key: bytes, first_counter: int | None = None) -> None:
    keystore.store_new(device, {ENCRYPTION: key}, first_counter=first_counter)
    keystore.activate(device, [ENCRYPTION])


def test_devices_with_one_key_draw_from_one_counter(device: Device) -> None:
    other = make_device("E2")
    give(device, KEY)
    give(other, KEY)
    set_counter(100, device)
    assert counter_of(other) == 100
    counter = KeyCounter.objects.get()
    assert invocation_counters.reserve(counter.pk, 64) == range(100, 164)
    assert counter_of(device) == counter_of(other) == 164


def test_a_new_key_has_a_counter_of_its_own_and_one_that_comes_back_goes_on(device: Device) -> None:
    give(device, KEY)
    set_counter(5000, device)
    give(device, OTHER, first_counter=250)
    assert counter_of(device) == 250
    give(device, KEY, first_counter=250)
    assert counter_of(device) == 5000


def test_neither_the_key_nor_a_plain_digest_of_it_is_stored(device: Device) -> None:
    give(device, KEY)
    fingerprint = KeyCounter.objects.get().fingerprint
    assert fingerprint not in {KEY.hex(), hashlib.sha256(KEY).hexdigest(), hashlib.sha1(KEY).hexdigest()}  # noqa: S324


def test_after_the_fingerprint_key_was_lost_the_counter_goes_on_with_whatever_key(device: Device) -> None:
    give(device, KEY)
    set_counter(5000, device)
    fingerprints.renew()
    give(device, KEY)
    assert counter_of(device) == 5000


# --- Values without a proof -------------------------------------------------------------------------------


def test_a_value_without_proof_is_tried_and_changes_nothing(counter: int) -> None:
    assert invocation_counters.try_from(counter, 4_200_000_000, 2) == range(4_200_000_000, 4_200_000_002)
    assert stored(counter) == 0
    assert invocation_counters.reserve(counter, 64) == range(64)


def test_the_same_claim_again_gets_other_values(counter: int) -> None:
    assert invocation_counters.try_from(counter, 1000, 2) == range(1000, 1002)
    assert invocation_counters.try_from(counter, 1000, 2) == range(1002, 1004)
    assert invocation_counters.try_from(counter, 999, 2) == range(1004, 1006)
    assert KeyCounter.objects.get().tried == [[1000, 1006]]


def test_a_proof_raises_the_counter(counter: int) -> None:
    tried = invocation_counters.try_from(counter, 1000, 2)
    invocation_counters.adopt(counter, tried.stop)
    assert invocation_counters.reserve(counter, 64) == range(1002, 1066)
    assert KeyCounter.objects.get().tried == []


def test_blocks_pass_what_was_tried(counter: int) -> None:
    invocation_counters.try_from(counter, 100, 2)
    invocation_counters.try_from(counter, 130, 2)
    assert invocation_counters.reserve(counter, 64) == range(64)
    assert invocation_counters.reserve(counter, 64) == range(132, 196)
    assert invocation_counters.reserve(counter, 64) == range(196, 260)


def test_lies_without_end_are_not_tried_without_end(counter: int) -> None:
    for lie in range(1, MOST_TRIED + 1):
        invocation_counters.try_from(counter, lie * 10_000, 2)
    with pytest.raises(Fault) as refusal:
        invocation_counters.try_from(counter, END // 2, 2)
    assert refusal.value.code == FaultCode.UNABLE_TO_DECYPHER
    assert invocation_counters.reserve(counter, 64) == range(64)


@pytest.mark.parametrize("claim", [END - 1, END])
def test_a_claim_that_leaves_no_values(counter: int, claim: int) -> None:
    with pytest.raises(Fault) as refusal:
        invocation_counters.try_from(counter, claim, 2)
    assert refusal.value.code == FaultCode.UNABLE_TO_DECYPHER
    assert KeyCounter.objects.get().tried == []


class Values(RuleBasedStateMachine):
    """Whatever happens to a counter, in any order, no value is handed out twice."""

    def __init__(self) -> None:
        super().__init__()
        KeyCounter.objects.all().delete()
        CounterGeneration.objects.all().delete()
        self.counter = make_counter(0)
        self.taken: list[int] = []
        self.now = int(time.time()) + DAY
        self.backup = self._dump()

    def _dump(self) -> dict[str, Any]:
        fields = ("next_value", "free_until", "tried", "generation", "claim_offset")
        return KeyCounter.objects.values(*fields).get(pk=self.counter)

    @rule(count=st.integers(1, 100))
    def reserve(self, count: int) -> None:
        try:
            block = invocation_counters.reserve(self.counter, count)
        except Fault:
            return
        if block is None:
            return
        assert len(block) == count
        self.taken += block

    @rule(claim=st.integers(0, 3000) | st.integers(0, END), proven=st.booleans())
    def claim(self, claim: int, proven: bool) -> None:
        try:
            block = invocation_counters.try_from(self.counter, claim, 2)
        except Fault:
            return
        self.taken += block
        if proven:
            invocation_counters.adopt(self.counter, block.stop)

    @rule()
    def back_up(self) -> None:
        self.backup = self._dump()

    @rule()
    def restore(self) -> None:
        """The latest backup, perhaps for the second time."""
        self.now += DAY
        CounterGeneration.objects.all().delete()
        CounterGeneration.objects.create(number=self.now)
        KeyCounter.objects.update(**self.backup)

    @invariant()
    def no_value_came_twice(self) -> None:
        assert len(self.taken) == len(set(self.taken))
        assert all(value < END for value in self.taken[-100:])


@pytest.mark.django_db
def test_no_value_comes_twice_in_any_order_of_events() -> None:
    run_state_machine_as_test(
        Values, settings=hypothesis_settings(max_examples=40, stateful_step_count=25, deadline=None)
    )


# --- Restores ---------------------------------------------------------------------------------------------


def test_a_counter_of_a_former_generation_leaps_once(counter: int) -> None:
    invocation_counters.reserve(counter, 64)
    began = int(FingerprintKey.objects.get().created_at.timestamp())
    CounterGeneration.objects.create(number=began + DAY)
    assert invocation_counters.reserve(counter, 64) is None
    tried = invocation_counters.try_from(counter, 0, 2)
    assert 64 + LEAP + DAY <= tried.start <= 64 + 9 * LEAP + DAY
    assert invocation_counters.reserve(counter, 64) is None
    invocation_counters.adopt(counter, tried.stop)
    assert invocation_counters.reserve(counter, 64) == range(tried.stop, tried.stop + 64)


def test_a_claim_after_a_restore_is_never_tried_as_it_may_have_been_before(counter: int) -> None:
    backup = KeyCounter.objects.values("next_value", "tried", "free_until").get()
    assert invocation_counters.try_from(counter, 7_000_000, 2).start == 7_000_000
    KeyCounter.objects.update(**backup)
    CounterGeneration.objects.create(number=int(time.time()) + DAY)
    invocation_counters.adopt(counter, invocation_counters.try_from(counter, 0, 2).stop)
    assert invocation_counters.try_from(counter, 7_000_000, 2).start > 7_000_000 + LEAP


@pytest.mark.django_db
def test_an_unknown_counter_of_a_former_generation_leaps_from_what_the_meter_says() -> None:
    counter = make_counter(None)
    CounterGeneration.objects.create(number=2)
    tried = invocation_counters.try_from(counter, 5000, 2)
    assert tried.start >= 5000 + LEAP
    invocation_counters.adopt(counter, tried.stop)
    assert invocation_counters.reserve(counter, 64) == range(tried.stop, tried.stop + 64)


# --- Operators --------------------------------------------------------------------------------------------


def test_an_operator_raises_the_counter(device: Device) -> None:
    give(device, KEY)
    set_counter(100, device)
    assert invocation_counters.set_by_operator(device.pk, 1_750_000_000) == 100
    assert counter_of(device) == 1_750_000_000


def test_an_operator_does_not_lower_it(device: Device) -> None:
    give(device, KEY)
    set_counter(100, device)
    with pytest.raises(Fault) as refusal:
        invocation_counters.set_by_operator(device.pk, 99)
    assert refusal.value.code == FaultCode.ATTEMPT_TO_LOWER_INVOCATION_COUNTER
    assert refusal.value.pointer == "/invocation_counter"
    assert "100" in refusal.value.message
    assert counter_of(device) == 100


def test_who_has_the_key_of_another_device_is_told_nothing_of_it(device: Device) -> None:
    other = make_device("E2")
    give(device, KEY)
    give(other, KEY)
    set_counter(100, device)
    assert invocation_counters.set_by_operator(other.pk, 200) is None
    with pytest.raises(Fault) as refusal:
        invocation_counters.set_by_operator(other.pk, 199)
    assert "200" not in refusal.value.message


def test_a_device_without_a_key_has_no_counter(device: Device) -> None:
    with pytest.raises(Fault) as refusal:
        invocation_counters.set_by_operator(device.pk, 1)
    assert refusal.value.code == FaultCode.KEY_NOT_PRESENT


# --- Concurrency ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_threads_never_get_the_same_value() -> None:
    counters = [make_counter(number * 1000, key) for number, key in enumerate((KEY, OTHER))]

    def reserve_many(number: int) -> list[tuple[int, int]]:
        taken: list[tuple[int, int]] = []
        for turn, count in enumerate(COUNTS):
            counter = counters[(number + turn) % 2]
            taken += [(counter, value) for value in invocation_counters.reserve(counter, count) or ()]
            if turn % 3 == 0:
                # What a meter tells meanwhile may be old, or ahead of what the platform knows.
                tried = invocation_counters.try_from(counter, 500 * turn + number, 2)
                taken += [(counter, value) for value in tried]
                if number % 2:
                    invocation_counters.adopt(counter, tried.stop)
        return taken

    outcomes = at_once(8, reserve_many)
    taken: list[tuple[int, int]] = []
    for outcome in outcomes:
        assert not isinstance(outcome, Exception)
        taken += outcome
    assert len(taken) == 8 * (sum(COUNTS) + 6)
    assert len(set(taken)) == len(taken)
