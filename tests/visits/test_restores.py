"""A restored database gives no nonce twice, whatever meters say of their counters."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices import generations, mark_file
from osgp.devices.models import CounterGeneration, Device, KeyCounter
from osgp.embedded.platform import EmbeddedPlatform
from osgp.processes.database import lanes
from osgp.requests.models import RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter
from osgp.visits import restores, tasks
from tests import factories, meters, processes
from tests.visited import saying
from tests.visits import backups

pytestmark = pytest.mark.django_db(transaction=True)

TAG = "INVOCATION_COUNTER"
LOW = "0600000001"
"""A double-long-unsigned of 1."""


@contextmanager
def process() -> Iterator[None]:
    """A process that visits meters."""
    with restores.watching():
        yield
        lanes.close()


@contextmanager
def killed_process() -> Iterator[None]:
    """Such a process, which does nothing any more at its end."""
    restores.start_watch()
    yield
    lanes.close()
    lanes.inspect = None


@pytest.fixture(autouse=True)
def _wide_leaps(settings: Settings) -> None:
    """Two restores within a second are kept apart by chance alone; here it is one in millions."""
    settings.OSGP = settings.OSGP | {"COUNTER_LEAP": 50_000_000}


@pytest.fixture
def marked() -> None:
    """The database has been seen before."""
    begin_processes()


@pytest.fixture
def back_up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], backups.Backup]]:
    """Makes a backup."""
    with ExitStack() as stack:

        def make() -> backups.Backup:
            backup: backups.Backup = getattr(request, "param", backups.list_kinds()[0])(tmp_path)
            stack.callback(backup.discard)
            return backup

        yield make


@contextmanager
def honest(meter: Meter) -> Iterator[None]:
    yield


@contextmanager
def lying_low(meter: Meter) -> Iterator[None]:
    """Somebody on the line answers in the place of the meter."""
    with saying(meter, {(TAG, 2): LOW}):
        yield


@contextmanager
def silent(meter: Meter) -> Iterator[None]:
    """The public client may not read the counter."""
    counter = meter.type.objects[meter.type.profile[TAG].get_logical_name()]
    counter.public = False
    try:
        yield
    finally:
        counter.public = True


KINDS = [
    ("SMR-5.1", honest),
    ("SMR-5.1", lying_low),
    ("SMR-5.5", silent),
    ("DSMR-4.2.2", silent),
    ("DSMR-2.2", honest),  # It has no counter that could be read.
]


def read(organisation: Organisation, devices: list[Device], times: int) -> None:
    for _ in range(times):
        for device in devices:
            request = factories.make_request(organisation, device, "ActualMeterReads")
            meters.visit(device)
            request.refresh_from_db()
            assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)


def count_restores() -> int:
    return AuditEntry.objects.filter(event=AuditEvent.RESTORED.value).count()


@pytest.mark.parametrize("back_up", backups.list_kinds(), indirect=True)
@pytest.mark.parametrize(("profile", "behaving"), KINDS)
def test_no_nonce_comes_twice(
    organisation: Organisation,
    profile: str,
    behaving: Callable,
    back_up: Callable[[], backups.Backup],
) -> None:
    with SimulatorThread(Fleet.build(1, profile)) as simulator:
        devices = list(meters.add_meters(organisation, simulator).values())
        (meter,) = simulator.meters.values()
        with process():
            read(organisation, devices, 2)
        backup = back_up()
        with process():
            read(organisation, devices, 3)
        for _ in range(2):
            backup.restore()
            with behaving(meter), process():
                read(organisation, devices, 3)
            assert count_restores() == 1
            with process():
                read(organisation, devices, 1)
            assert count_restores() == 1
        assert simulator.fleet.nonces.list_repeats() == []


def test_a_process_that_was_killed_has_renewed_the_mark_of_the_file_before(
    organisation: Organisation, back_up: Callable[[], backups.Backup]
) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        devices = list(meters.add_meters(organisation, simulator).values())
        with killed_process():
            read(organisation, devices, 1)
            backup = back_up()
            if mark_file.is_used():
                tasks.renew_database_mark()  # What a duty asks for every minute.
            read(organisation, devices, 2)
        backup.restore()
        with process():
            read(organisation, devices, 3)
        assert count_restores() == 1
        assert simulator.fleet.nonces.list_repeats() == []


# --- What is a restore, and what is not ---------------------------------------------------------------------


def begin_processes(times: int = 1) -> None:
    """Processes that do nothing but use the database."""
    for _ in range(times):
        with process():
            lanes.run(generations.get_current)


def test_first_and_later_starts_are_none() -> None:
    begin_processes(3)
    assert generations.get_current() == generations.FIRST
    assert generations.read_mark()
    assert count_restores() == 0


def test_an_upgrade_is_none() -> None:
    CounterGeneration.objects.create()
    begin_processes(2)
    assert CounterGeneration.objects.get().number == generations.FIRST
    assert count_restores() == 0


@pytest.mark.usefixtures("marked")
def test_maintenance_is_none() -> None:
    table = KeyCounter._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM FULL {table}")
            cursor.execute(f"CLUSTER {table} USING {table}_pkey")
            cursor.execute("SELECT pg_switch_wal()")
        else:
            cursor.execute("VACUUM")
    begin_processes()
    assert count_restores() == 0


@pytest.mark.usefixtures("marked")
def test_it_is_noticed_once_by_processes_that_start_together(caplog: pytest.LogCaptureFixture) -> None:
    before = int(time.time())
    CounterGeneration.objects.update(mark="that of another database")
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        restores.renew_mark() if mark_file.is_used() else restores.check()
        connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begin_processes()
    assert before <= CounterGeneration.objects.get().number <= time.time()
    assert caplog.text.count("The database was restored") == 1
    entry = AuditEntry.objects.get()
    assert (entry.event, entry.actor, entry.organisation_identification) == ("RESTORED", "platform", "")
    assert entry.details["generation"] == generations.get_current()


@pytest.mark.usefixtures("marked")
def test_a_clock_that_was_set_back_does_not_repeat_a_generation() -> None:
    later = int(time.time()) + 86_400
    CounterGeneration.objects.update(number=later, mark="that of another database")
    begin_processes()
    assert generations.get_current() == later + 1


@pytest.mark.usefixtures("marked")
def test_the_platform_notices_it_by_itself(organisation: Organisation, device: Device) -> None:
    CounterGeneration.objects.update(mark="that of another database")
    if processes.are_shared():
        factories.make_request(organisation, device)
        with processes.running():
            processes.eventually(count_restores, "a new generation")
    else:
        with EmbeddedPlatform(lambda _: Fleet.build(1, "SMR-5.1")):
            lanes.run(generations.get_current)
    assert generations.read_mark() != "that of another database"
    assert count_restores() == 1


# --- By hand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "snapshot of Monday"])
def test_by_hand(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    begin_processes()
    mark = generations.read_mark()
    call_command("mark_restored", *(["--reason", reason] if reason else []))
    number = generations.get_current()
    assert number > generations.FIRST
    assert f"Generation {number} " in capsys.readouterr().out
    assert generations.read_mark() == mark
    entry = AuditEntry.objects.get()
    assert entry.actor == "command line"
    assert entry.details == {"generation": number, **({"reason": reason} if reason else {})}
    begin_processes()
    assert generations.get_current() == number


def test_by_hand_before_anything_was_seen() -> None:
    call_command("mark_restored")
    number = generations.get_current()
    begin_processes()
    assert generations.get_current() == number > generations.FIRST
