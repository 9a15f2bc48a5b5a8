"""Work for a fleet of simulated meters, and what must be true of it whatever dies or fails in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.requests import states
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState
from osgp.simulator import Behaviour, Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from tests import factories, meters, processes

METERS = 5
READS = 2
"""Reads per meter, beside one CountedStep."""
ROUND_TRIP = 0.1
"""Seconds that a meter takes for an answer."""
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "tests.chaos.odd_settings",
    "OSGP_SESSION_LEASE_SECONDS": "60",
    "OSGP_HINT_TIMEOUT_SECONDS": "2",
    "OSGP_DISPATCH_INTERVAL_SECONDS": "0.2",
    "OSGP_RETRY_DELAY_SECONDS": "1",
}
"""Of the platform's processes: what takes a minute in production takes seconds.

All but the lease: where nobody dies, no process is so slow on a busy machine that it loses one.
"""
MORTAL = ENVIRONMENT | {"OSGP_SESSION_LEASE_SECONDS": "5"}
"""Where a process dies, and others wait for its leases to run out."""

REQUESTS = Request._meta.db_table


@dataclass
class Work:
    """A fleet, and what was asked of it."""

    simulator: SimulatorThread
    organisation: Organisation
    devices: list[Device]

    def ask(self, device: Device, message: str, delay: float = -5, **fields: Any) -> Request:
        """A request that is due ``delay`` seconds from now."""
        due = timezone.now() + timedelta(seconds=delay)
        state = RequestState.QUEUED if delay <= 0 else RequestState.SCHEDULED
        at: dict[str, Any] = {"due_at": due, "state": state}
        return factories.make_request(self.organisation, device, message, **at | fields)

    def ask_all(self, delay: float = -5) -> None:
        """Some reads of each meter, and between them one thing that must not be done twice."""
        for device in self.devices:
            self.ask(device, "ActualMeterReads", delay)
            self.ask(device, "CountedStep", delay)
            self.ask(device, "ActualMeterReads", delay)

    def is_settled(self) -> bool:
        """Whether every request has its outcome, and every lease was given back."""
        pending = Request.objects.exclude(state__in=("SUCCEEDED", "FAILED", "CANCELLED"))
        return not pending.exists() and not MeterSession.objects.filter(state__in=states.LIVE).exists()

    def settle(self, patience: float = processes.PATIENCE) -> None:
        """Wait for all outcomes, then check the promises."""
        processes.eventually(self.is_settled, "an outcome of every request, and no lease left", patience)
        self.check()

    def check(self) -> None:
        """Nothing lost, nothing final twice, nothing done twice, one association, no nonce used again; meters
        have the keys that are ACTIVE.
        """
        assert final_twice() == []
        assert self.simulator.fleet.nonces.list_repeats() == []
        assert leases_at_once() == []
        for device in self.devices:
            memory = self.simulator.meters[device.identification].memory
            assert memory.statistics.concurrent_associations == 0
            assert memory.statistics.invocation_counter_refusals == 0
            assert memory.counters.repeated == []
            self._check_keys(device)
            steps = Action.objects.filter(message__in=("CountedStep", "SynchronizeTime"), device=device)
            done = steps.filter(state=ActionState.DONE).count()
            unknown = steps.filter(state=ActionState.UNKNOWN).count()
            assert done <= memory.statistics.sets <= done + unknown
            assert memory.statistics.sets <= steps.count()
        unsuccessful = Request.objects.exclude(state=RequestState.SUCCEEDED).exclude(message="DeadlyStep")
        for action in Action.objects.filter(request__in=unsuccessful):
            # A crash may leave open whether a step was taken, and then nobody may claim to know.
            assert (action.message, action.state) == ("CountedStep", ActionState.UNKNOWN), action.fault

    def _check_keys(self, device: Device) -> None:
        """One authentication key and one encryption key are ACTIVE, of one change, and the meter has them."""
        active = DeviceKey.objects.filter(device=device, key_type__in=GLOBAL_KEYS, state=KeyState.ACTIVE)
        assert sorted(key.key_type for key in active) == sorted(GLOBAL_KEYS)
        assert len({key.change for key in active}) == 1
        meter = self.simulator.meters[device.identification]
        assert keystore.read_active_keys(device, GLOBAL_KEYS) == dict(
            zip(GLOBAL_KEYS, (meter.key(KeyName.AUTHENTICATION), meter.key(KeyName.ENCRYPTION)), strict=True)
        )

    def in_mid_session(self) -> bool:
        """Every meter is being visited, by a worker that has taken its requests."""
        running = Request.objects.filter(state=RequestState.RUNNING, session__state="CLAIMED")
        return running.values("meter").distinct().count() == len(self.devices)


@contextmanager
def fleet(organisation: Organisation, count: int = METERS) -> Iterator[Work]:
    """Simulated meters that answer slowly enough to be interrupted, known to the platform."""
    with SimulatorThread(Fleet.build(count, "SMR-5.1")) as simulator:
        for meter in simulator.meters.values():
            meter.behaviour = Behaviour(latency=(ROUND_TRIP, ROUND_TRIP))
        devices = list(meters.add_meters(organisation, simulator).values())
        with witness():
            yield Work(simulator, organisation, devices)
            processes.disconnect_others()


@contextmanager
def witness() -> Iterator[None]:
    """Have the database note when the state of a final request is written once more, even with itself."""
    final = "OLD.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE final_twice (id bigint)")
        if postgresql:
            cursor.execute(
                "CREATE FUNCTION note_final_twice() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN INSERT INTO final_twice VALUES (OLD.id); RETURN NEW; END$$"
            )
            body = f"FOR EACH ROW WHEN ({final}) EXECUTE FUNCTION note_final_twice()"
        else:
            body = f"WHEN {final} BEGIN INSERT INTO final_twice VALUES (OLD.id); END"  # noqa: S608
        cursor.execute(f"CREATE TRIGGER final_twice AFTER UPDATE OF state ON {REQUESTS} {body}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            on_table = f" ON {REQUESTS}" if postgresql else ""
            cursor.execute(f"DROP TRIGGER final_twice{on_table}")
            if postgresql:
                cursor.execute("DROP FUNCTION note_final_twice()")
            cursor.execute("DROP TABLE final_twice")


def final_twice() -> list[int]:
    """Requests that the witness saw."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM final_twice")
        return [pk for (pk,) in cursor.fetchall()]


def leases_at_once() -> list[str]:
    """Endpoints of which a lease began before the former one had ended, by the clock of the database."""
    found = []
    ends: dict[str, datetime] = {}
    leases = MeterSession.objects.order_by("opened_at").values_list("endpoint", "opened_at", "closed_at")
    for endpoint, begin, end in leases:
        assert endpoint is not None
        if endpoint in ends and begin < ends[endpoint]:
            found.append(endpoint)
        ends[endpoint] = end or datetime.max.replace(tzinfo=UTC)
    return found
