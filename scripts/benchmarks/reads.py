"""What the benchmarks ask of the head-end: readings of all meters of a fleet. Needs Django set up."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from osgp.accounts.caller import Caller
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType, LifecycleStatus
from osgp.fleet import submission
from osgp.processes import wakeup
from osgp.requests.models import FINAL_STATES, LIVE_SESSION_STATES, MeterSession, Request, RequestState
from osgp.requests.submission import make_organisation_caller
from osgp.sql import add_to_now
from scripts.benchmarks.head_end import ORGANISATION, Fleet
from scripts.benchmarks.measuring import read_cpu_seconds

PATIENCE = 1800.0
"""Seconds after which something is taken to have gone wrong."""
KEYS = {
    "authentication_key": KeyType.E_METER_AUTHENTICATION_KEY,
    "encryption_key": KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
}
PER_STATEMENT = 2_000


def register_meters(fleet: Fleet, *, first_counter: int = 1, **columns: Any) -> list[str]:
    """Empty the database, and make the meters of a fleet known to it; returns their identifications.

    Straight into the tables: AddDevice, with a key exchange per meter, is not what is measured here.
    Their invocation counters begin with ``first_counter``. ``columns`` of the device row may differ from what
    the simulator says.
    """
    call_command("flush", interactive=False, verbosity=0)
    organisation = Organisation.objects.create(identification=ORGANISATION, name="Benchmark")
    return add_meters(organisation, fleet.descriptions(), first_counter=first_counter, **columns)


def add_meters(
    organisation: Organisation,
    described: Sequence[dict[str, Any]],
    *,
    first_counter: int = 1,
    **columns: Any,
) -> list[str]:
    """Make meters known to the platform that belong to an organisation; otherwise as register_meters."""
    devices = [_make_device(item["add_device"], columns) for item in described]
    Device.objects.bulk_create(devices, batch_size=PER_STATEMENT)
    DeviceAuthorisation.objects.bulk_create(
        [
            DeviceAuthorisation(
                organisation=organisation, device=device, function_group=DeviceFunctionGroup.OWNER
            )
            for device in devices
        ],
        batch_size=PER_STATEMENT,
    )
    rows, secrets = [], []
    for device, item in zip(devices, described, strict=True):
        for name, key_type in KEYS.items():
            secrets.append(bytes.fromhex(item["keys"][name]))
            rows.append(keystore.make_row(device.pk, key_type, secrets[-1], state=KeyState.ACTIVE))
    # A new meter would be asked for its counter first; these were visited before.
    keystore.give_counters(rows, secrets, first_counter)
    DeviceKey.objects.bulk_create(rows, batch_size=PER_STATEMENT)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [device.identification for device in devices]


def _make_device(described: dict[str, Any], columns: dict[str, Any]) -> Device:
    fields = dict(described)
    fields["identification"] = fields.pop("device_identification")
    fields["time_zone"] = fields.pop("timezone")
    fields["framing"] = fields.pop("transport")
    return Device(**{"lifecycle_status": LifecycleStatus.IN_USE, **fields, **columns})


@dataclass(frozen=True)
class Reads:
    """Requests for readings that were stored together."""

    batches: list[Batch]

    @property
    def requests(self) -> Any:
        """Their rows."""
        return Request.objects.filter(batch__in=self.batches)

    def start(self) -> datetime:
        """Let all be due at one moment, about now; returns it once it has come."""
        with transaction.atomic():
            soon = add_to_now(timedelta(seconds=1 + sum(batch.total for batch in self.batches) / 10_000))
            self.requests.update(due_at=soon)
            wakeup.notify()
        due: datetime = self.requests.aggregate(due=Max("due_at"))["due"]
        time.sleep(max(0.0, (due - timezone.now()).total_seconds()))
        return due

    def have_ended(self) -> bool:
        """Whether all are final, and no meter is being visited any more."""
        final = self.requests.filter(state__in=FINAL_STATES).count()
        if final < sum(batch.total for batch in self.batches):
            return False
        return not MeterSession.objects.filter(state__in=LIVE_SESSION_STATES).exists()

    def wait(self) -> None:
        """Until all have ended. Raises RuntimeError unless all succeeded."""
        wait_for(self.have_ended, "all meters to be read")
        failed = self.requests.exclude(state=RequestState.SUCCEEDED).values_list("fault", flat=True)
        if failed:
            raise RuntimeError(f"{len(failed)} meters were not read, one because of {failed[0]}")

    def seconds_since(self, due: datetime) -> list[float]:
        """How long each took from ``due`` to its result."""
        ends = self.requests.values_list("completed_at", flat=True)
        return [(end - due).total_seconds() for end in ends]


def make_stored_reads(identifications: Sequence[str], *, priority: int = 4, held: bool = True) -> Reads:
    """Ask for readings of many meters; ``held`` ones are not due before :meth:`Reads.start`."""
    organisation = Organisation.objects.get(identification=ORGANISATION)
    caller = make_organisation_caller(organisation, "bench")
    body: dict[str, Any] = {"message": "ActualMeterReads", "priority": priority, "bypass_retry": True}
    submit = submit_held if held else submit_due
    most = submission.MOST_DEVICES
    return Reads(
        [
            submit(body, caller, identifications[start : start + most])
            for start in range(0, len(identifications), most)
        ]
    )


def submit_held(body: Mapping[str, Any], caller: Caller, identifications: Sequence[str]) -> Batch:
    """Ask something of many meters, which is not due before :meth:`Reads.start`."""
    later = (timezone.now() + timedelta(days=1)).isoformat()
    return submit_due({**body, "schedule_time": later}, caller, identifications)


def submit_due(body: Mapping[str, Any], caller: Caller, identifications: Sequence[str]) -> Batch:
    """Ask something of many meters."""
    return submission.submit(caller, {**body, "device_identifications": list(identifications)})


def wait_for(condition: Callable[[], bool], what: str, every: float = 0.2) -> None:
    """Look again and again. Raises RuntimeError when it takes far too long."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(every)


@contextmanager
def postgres_cpu() -> Iterator[Callable[[], float | None]]:
    """Tells the CPU seconds that the database's server processes for others used since the block began.

    None where they run elsewhere, out of sight.
    """
    before = _list_postgres_processes()
    yield (
        lambda: (
            sum(used - before.get(pid, 0.0) for pid, used in _list_postgres_processes().items())
            if before
            else None
        )
    )


def _list_postgres_processes() -> dict[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        pids = [pid for (pid,) in cursor.fetchall()]
    return {pid: read_cpu_seconds(pid) for pid in pids if _is_postgres(pid)}


def _is_postgres(pid: int) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
