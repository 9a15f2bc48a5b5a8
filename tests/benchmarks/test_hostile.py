"""Hostile meters of all kinds: whatever is asked of them ends in a result or in a typed fault, in time."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest

from osgp import catalogue
from osgp.faults import Fault
from osgp.protocol_dlms import Deadlines, Framing, Keys, Meter, MeterAddress, Security
from scripts.benchmarks.hostile_kinds import KINDS
from scripts.benchmarks.hostile_line import Measure
from scripts.benchmarks.hostile_meters import HostileMeters, find_kind, running
from scripts.benchmarks.hostile_work import BUNDLED
from tests.protocol_dlms.peers import Counter
from tests.visited import CLIENT_TITLE, perform, visited

AT_ONCE = 8
"""Visits at a time: most of them wait."""
IMPATIENT = Deadlines(connect=0.5, apdu=0.5, session=1.5, release=0.1)
MEASURE = Measure(seconds_per_octet=0.05, seconds_per_block=0.2, value_octets=64 * 1024)
UNHURRIED = Deadlines(connect=30, apdu=60, session=120, release=30)
"""For those that answer at once, however busy the machine is."""

WAITED_FOR: dict[str, set[int | None]] = {
    "silent": {233},
    "zero-window": {233},
    "full-backlog": {227},
    "drip-aare": {233},
    "drip-long-answer": {233},
    "hdlc-not-ready": {232, 233},
    "silent-at-get": {233},
    "endless-blocks": {214, 232},
    "slow-blocks": {214, 232, 233},
    "same-block-number": {232, 233},
}
"""The faults of kinds that end by a deadline, at the latest."""
ANSWERED: dict[str, set[int | None]] = {
    "closes-after-accept": {226, 229},
    "banner": {231},
    "resets-mid-answer": {226, 229},
    "hdlc-not-ready-flood": {232},
    "hdlc-noise": {232},
    "late-answers": {232},
    "notification-flood": {232},
    "exceptions-only": {232},
    "access-denied": {412},
    "releases-unasked": {232},
    "wrong-tag": {230},
    "replayed-counter": {230},
    "counter-too-low": {229},
    # What has more elements or octets than are taken is no answer that makes sense (232). A message may do
    # without a value, or find that it is no number (412).
    "compact-array": {232, 412, None},
    "bit-string": {232, 412, None},
    "nulls": {232, 412, None},
    "nesting": {232, 412, None},
    "bottomless-nesting": {232},
    "huge-object-list": {232, 412, None},
    "long-string": {232, 412, None},
    "huge-length": {232},
}
"""The faults of all others; None: there may be a result."""
FAULTS = WAITED_FOR | ANSWERED


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Exception | None]]:
    """What became of each message to each kind: None for a result, the fault, or an error of ours."""
    pairs = list(product(FAULTS, BUNDLED))
    with (
        running(HostileMeters(len(KINDS) * len(BUNDLED), MEASURE)) as described,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        meters: dict[str | None, list[Any]] = {}
        for each in described:
            meters.setdefault(find_kind(each["add_device"]["device_identification"]), []).append(each)
        told = pool.map(
            lambda kind, message: visit(kind, meters[kind].pop(), message), *zip(*pairs, strict=True)
        )
        yield dict(zip(pairs, told, strict=True))


def visit(kind: str, described: Mapping[str, Mapping[str, Any]], message: str) -> Exception | None:
    """Carry a message out, with deadlines that end it soon if the kind ends by them."""
    fields, keys = described["add_device"], described["keys"]
    address = MeterAddress(
        fields["network_address"],
        fields["port"],
        fields["logical_device_address"],
        Framing(fields["transport"]),
    )
    try:
        with Meter.connect(
            address,
            security=Security(fields["security"]),
            keys=Keys(bytes.fromhex(keys["authentication_key"]), bytes.fromhex(keys["encryption_key"])),
            counter=Counter(1),
            client_system_title=CLIENT_TITLE,
            with_list_max=fields["with_list_max"],
            deadlines=IMPATIENT if kind in WAITED_FOR else UNHURRIED,
        ) as association:
            profile = catalogue.find_profile(fields["protocol_name"], fields["protocol_version"])
            json.dumps(perform(visited(profile, association), message, BUNDLED[message]))
    except Exception as error:  # noqa: BLE001 (the test looks at it)
        return error
    return None


def test_all_kinds_are_tried() -> None:
    assert {kind.find_name() for kind in KINDS} == FAULTS.keys()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_hostile_meter_gets_a_typed_fault(
    kind: str, outcomes: dict[tuple[str, str], Exception | None]
) -> None:
    for message in BUNDLED:
        outcome = outcomes[kind, message]
        assert outcome is None or isinstance(outcome, Fault), (message, repr(outcome))
        code = None if outcome is None else int(outcome.code)
        assert code in FAULTS[kind], (message, repr(outcome))
