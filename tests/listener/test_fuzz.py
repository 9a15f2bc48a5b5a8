"""Malformed datagrams and streams: `python -m scripts.benchmarks.push_fuzz` sends a million."""

import os
import random
from pathlib import Path

import pytest

from osgp.alarms.models import PushCount
from scripts.benchmarks import push_fuzz
from tests.listener.conftest import push, run_listener
from tests.listener.samples import SMR5

COUNT = 3_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [1, 2])
def test_rubbish_does_no_harm(transactional_db: None, tmp_path: Path, seed: int) -> None:
    with run_listener(tmp_path, message=1.0) as listener:
        assert push(listener, SMR5) == "closed"
        assert listener.tcp_port is not None
        assert listener.udp_port is not None
        seen = push_fuzz.fuzz(COUNT, seed, os.getpid(), listener.tcp_port, listener.udp_port)
        assert seen.still_open == 0
        assert push(listener, SMR5) == "closed"
    assert seen.datagrams > COUNT / 2
    assert seen.streams > COUNT / 200
    faults = set(PushCount.objects.values_list("outcome", flat=True))
    assert {"UNKNOWN_FORM", "MALFORMED", "TRUNCATED", "RECEIVED"} <= faults


def test_rubbish_is_the_same_for_the_same_seed() -> None:
    pieces = [push_fuzz.make_rubbish(random.Random(seed)) for seed in (5, 5, 6)]
    assert pieces[0] == pieces[1] != pieces[2]
