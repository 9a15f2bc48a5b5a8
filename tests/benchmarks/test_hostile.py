"""Hostile meters of all kinds: whatever is asked of them ends in a result or in a typed fault, in time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest

from osgp import catalogue
from osgp.faults import Fault
from osgp.messages.operation import Interrupted
from osgp.protocol_dlms import Deadlines, Framing, Keys, Limits, Meter, MeterAddress, Security
from scripts.benchmarks.hostile_kinds import KINDS
from scripts.benchmarks.hostile_line import Kind, Pace
from scripts.benchmarks.hostile_meters import HostileMeters, find_kind, running
from scripts.benchmarks.hostile_work import BUNDLED
from tests.protocol_dlms.peers import Counter
from tests.visited import CLIENT_TITLE, perform, visited

AT_ONCE = 8
"""Visits at a time: most of them wait."""
DEADLINES = Deadlines(connect=0.3, apdu=0.4, session=1.2, release=0.1)
PACE = Pace(octet=0.05, block=0.2)

NAMES = [kind.find_name() for kind in KINDS]
EXPECTED: Mapping[str, Sequence[int]] = {
    "silent": (233,),
}


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Any]]:
    """What became of each message to each kind: a result, the code of a fault, or an error of ours."""
    pairs = list(product(NAMES, BUNDLED))
    with (
        running(HostileMeters(len(KINDS) * len(BUNDLED), PACE)) as described,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        of_kind: dict[str | None, list[Any]] = {}
        for each in described:
            of_kind.setdefault(find_kind(each["add_device"]["device_identification"]), []).append(each)
        told = pool.map(lambda pair: visit(of_kind[pair[0]].pop(), pair[1]), pairs)
        yield dict(zip(pairs, told, strict=True))


def visit(described: Mapping[str, Mapping[str, Any]], message: str) -> Any:
    import time
    t=time.monotonic(); c=time.thread_time()
    r=visit_(described, message)
    print(f"{find_kind(described['add_device']['device_identification']):22} {message:32} {time.monotonic()-t:6.2f} s {time.thread_time()-c:6.2f} cpu", str(r)[:150])
    return r
def visit_(described: Mapping[str, Mapping[str, Any]], message: str) -> Any:
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
            deadlines=DEADLINES,
        ) as association:
            profile = catalogue.find_profile(fields["protocol_name"], fields["protocol_version"])
            result = perform(visited(profile, association), message, BUNDLED[message])
            return "result", len(json.dumps(result))
    except Interrupted as interrupted:
        return interrupted.fault
    except Fault as fault:
        return fault
    except Exception as error:
        return error


@pytest.mark.parametrize("kind", NAMES)
def test_all_ends_in_a_result_or_in_a_typed_fault(kind: str, outcomes: dict[tuple[str, str], Any]) -> None:
    for message in BUNDLED:
        outcome = outcomes[kind, message]
        assert isinstance(outcome, Fault | tuple), (message, outcome)
