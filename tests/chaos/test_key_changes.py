"""kill -9 of workers while they change the keys of slow meters, at moments that nobody chose.

Where nothing is shared with other processes, tests/visits/test_key_change_kills.py has every moment.
"""

import random
import time

import pytest

from osgp.devices import transport_keys
from tests import processes
from tests.chaos.promises import ENVIRONMENT, MORTAL, Work

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 2
LONGEST_CHANGE = 1.2
"""Seconds that a visit takes for all that is asked here, at least."""


def ask_for_new_keys(work: Work, round_: int) -> None:
    """Give each meter new keys twice, with reads around."""
    public_key = transport_keys.export_public_key()
    for number, device in enumerate(work.devices):
        work.ask(device, "ActualMeterReads")
        secrets = {
            "authentication_key": b"%8d%8d" % (round_, number),
            "encryption_key": b"%-8d%-8d" % (round_, number),
        }
        parameters = {
            name: transport_keys.encrypt_for_platform(public_key, secret) for name, secret in secrets.items()
        }
        work.ask(device, "ReplaceKeys", parameters=parameters)
        work.ask(device, "GenerateAndReplaceKeys")
        work.ask(device, "ActualMeterReads")


def test_workers_die_while_keys_change(work: Work) -> None:
    if not processes.are_shared():
        pytest.skip("there is no process of its own to kill")
    with processes.dispatcher(**MORTAL):
        for round_ in range(ROUNDS):
            ask_for_new_keys(work, round_)
            with processes.worker(**MORTAL) as worker:
                processes.eventually(work.in_mid_session, "visits to all meters")
                time.sleep(random.uniform(0, LONGEST_CHANGE))
                worker.kill()
            with processes.worker(**ENVIRONMENT):
                work.settle()
