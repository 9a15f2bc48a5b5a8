"""The largest bundles, and what each action costs the database."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from rest_framework.test import APIClient

from osgp.accounts.caller import Caller
from osgp.devices.models import Device
from osgp.requests.models import Request, RequestState
from osgp.requests.submission import submit
from osgp.simulator.meter.meter import Meter
from osgp.visits.leases import keeper
from tests import meters
from tests.bundle.probes import Probe, lasting

pytestmark = pytest.mark.django_db(transaction=True)


def test_500_actions(api: APIClient, electricity: Device, gas: Device, simulated: Meter) -> None:
    Probe.hooks["250"] = lasting
    actions: list[dict[str, Any]] = [{"message": "Probe", "name": str(number)} for number in range(499)]
    actions.append({"message": "ActualMeterReadsGas", "device_identification": gas.identification})
    body = {"device_identification": electricity.identification, "actions": actions}
    url = api.post("/api/v1/bundle/", body, format="json").json()["url"]
    meters.visit(electricity)
    answer = api.get(url)
    responses = answer.json()["responses"]
    assert (answer.status_code, answer.json()["status"], len(responses)) == (200, "SUCCEEDED", 500)
    names = [response["result"]["name"] for response in responses[:499] if response["result"]]
    assert names == [str(number) for number in range(499) if number != 250]
    assert (responses[250]["status"], responses[250]["fault"]["code"]) == ("FAILED", 412)
    assert responses[499]["result"]["consumption"]
    assert Probe.performed == [str(number) for number in range(499)]
    assert simulated.memory.statistics.associations == 1
    assert simulated.memory.statistics.invocation_counter_refusals == 0


_NO_WORK = ("SAVEPOINT", "RELEASE", "PRAGMA", "BEGIN", "SELECT 1", "PREPARE")
"""Preparing happens once per connection, and each visit may use several."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch, electricity: Device) -> Callable[[], list[str]]:
    """Visits the meter; returns the statements that this cost, in all database lanes together."""
    seen: list[str] = []
    execute = CursorWrapper.execute

    def count(self: CursorWrapper, sql: Any, *arguments: Any) -> Any:
        seen.append(str(sql))
        return execute(self, sql, *arguments)

    # Leases are extended at times of their own, whatever is asked of a meter.
    monkeypatch.setattr(keeper, "_could_extend", lambda leases: True)

    def visit() -> list[str]:
        session = meters.open_session(electricity)
        with monkeypatch.context() as patch:
            patch.setattr(CursorWrapper, "execute", count)
            from osgp.visits.visit import visit_meter

            assert visit_meter(session.pk, session.token, "worker")
        visited = [sql for sql in seen if not sql.startswith(_NO_WORK)]
        seen.clear()
        return visited

    return visit


def test_an_action_costs_one_statement(
    caller: Caller, electricity: Device, statements: Callable[[], list[str]]
) -> None:
    def cost(actions: int) -> int:
        bundle = submit(
            caller,
            "Bundle",
            {
                "device_identification": electricity.identification,
                "actions": [{"message": "Probe"}] * actions,
            },
        )
        used = statements()
        bundle.refresh_from_db()
        assert bundle.state == RequestState.SUCCEEDED
        return len(used)

    cost(1)  # Before the first visit the meter's invocation counter is not known.
    one = cost(1)
    assert cost(11) - one == 10
    assert Request.objects.count() == 3


def test_a_single_read_costs_no_more_than_before_there_were_bundles(
    caller: Caller,
    electricity: Device,
    simulated: Meter,
    statements: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On PostgreSQL: claim and take; address, keys and counters; outcome; close. On SQLite these are claim,
    take, load actions, meter, counter, keys, and the counter again; outcome, request, look for more; device,
    close. Beside them some for what was read.
    """
    # A register that counts on within the second in which it is read twice has changed its mind: that is
    # noted with statements of its own.
    now = time.time()
    monkeypatch.setattr(simulated, "settings", replace(simulated.settings, clock=lambda: now))
    # The first one learns how the meter describes its registers, the second one loads that, once per process.
    for _ in range(3):
        submit(caller, "ActualMeterReads", {"device_identification": electricity.identification})
        used = statements()
    assert len(used) <= (4 + 3 if connection.vendor == "postgresql" else 12 + 4), used
