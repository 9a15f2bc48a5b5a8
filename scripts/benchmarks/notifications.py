"""Notifications to many receivers, of which some hang; how many a core sends; and what they cost a visit."""

import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.events.models import Event, EventKind, make_message_id
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.requests import completion_events
from scripts.benchmarks.head_end import HeadEnd, Part
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.reads import make_stored_reads, postgres_cpu, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes
from scripts.benchmarks.webhook_receiver import READY

PER_ORGANISATION = 50
"""Endpoints of an organisation; each gets each of its events."""
HANGING_PART = 10
"""One of so many endpoints hangs."""
EVENT_EVERY = 0.5
"""Seconds between two events: a load at which nothing queues for long."""
BACKLOGGED = 20
"""Endpoints among which a backlog is divided."""
ENVIRONMENT = {"OSGP_WEBHOOK_ALLOW_HTTP": "1", "OSGP_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
PAIRS_PER_TURN = 3
"""Pairs of measured visits, with an event and without; a few per cent are to be seen."""
CONCURRENCY = 1100
"""Greenlets: all slots, and a few tasks beside."""


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Receivers first, then a backlog, then visits."""
    with _receiving(head_end, folder / "received") as (port, received), _notifying(head_end) as notifier:
        yield from _measure_hanging(sizes, port, received)
        yield from _measure_backlog(sizes, port, notifier)
    yield from _measure_visits(head_end, sizes)


@contextmanager
def _receiving(head_end: HeadEnd, file: Path) -> Iterator[tuple[int, Path]]:
    command = ["-m", "scripts.benchmarks.webhook_receiver", str(file)]
    with head_end.run_part("receiver", *command, ready=READY) as part:
        listening = re.search(rf"{READY} (\d+)", part.log.read_text())
        assert listening is not None
        yield int(listening[1]), file


@contextmanager
def _notifying(head_end: HeadEnd) -> Iterator[Part]:
    with ExitStack() as stack:
        stack.enter_context(head_end.dispatcher())
        yield stack.enter_context(
            head_end.worker(queues="notify", concurrency=CONCURRENCY, environment=ENVIRONMENT)
        )


def _measure_hanging(sizes: Sizes, port: int, received: Path) -> Iterator[Figure]:
    call_command("flush", interactive=False, verbosity=0)
    organisations = _make_organisations(max(1, sizes.endpoints // PER_ORGANISATION))
    hanging = PER_ORGANISATION // HANGING_PART
    _make_endpoints(organisations, PER_ORGANISATION - hanging, f"http://127.0.0.1:{port}/answer")
    _make_endpoints(organisations, hanging, f"http://127.0.0.1:{port}/hang")
    _let_hang(False)
    _tell(organisations[:1], 5)  # Whatever is made on first use.
    alone: list[float] = []
    beside: list[float] = []
    for turn in range(2 * sizes.turns):
        # Without, with, with, without, …: whatever drifts meanwhile counts for both.
        is_beside = turn % 4 in (1, 2)
        _let_hang(is_beside)
        times = _tell(organisations, max(1, sizes.events // sizes.turns), received)
        (beside if is_beside else alone).extend(times)
    number = len(organisations) * PER_ORGANISATION
    of_them = f"{number:,} endpoints, {number // HANGING_PART:,} of them hanging"
    without = "without the hanging ones"
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        with_them, without_them = (find_percentile(times, share) for times in (beside, alone))
        yield Figure(
            f"{of_them}: event to receiver, {name}", 1000 * with_them, "ms", "", 1000 * without_them, without
        )
    ratio = find_percentile(beside, 0.95) / find_percentile(alone, 0.95)
    yield Figure("– times that of the peer", ratio, "×", "≤ 1.2 ×")


def _let_hang(is_told: bool) -> None:
    """Whether those that hang are told of events: as if nothing was known of them, or of nothing."""
    hanging = Endpoint.objects.filter(url__contains="/hang/")
    kinds = [] if is_told else [EventKind.ALARM_RECEIVED.value]
    Delivery.objects.filter(endpoint__in=hanging).delete()
    # What is in flight ends by its deadline.
    wait_for(lambda: not hanging.filter(runner__isnull=False).exists(), "those that hang")
    hanging.update(kinds=kinds, consecutive_failures=0, retry_at=None)


def _make_organisations(number: int) -> list[Organisation]:
    return Organisation.objects.bulk_create(
        [Organisation(identification=f"BENCH{place}", name="Benchmark") for place in range(number)]
    )


def _make_endpoints(organisations: Sequence[Organisation], number: int, url: str) -> None:
    now = timezone.now()
    Endpoint.objects.bulk_create(
        [
            Endpoint(organisation=organisation, url=f"{url}/{organisation.pk}/{place}", created_at=now)
            for organisation in organisations
            for place in range(number)
        ]
    )


def _tell(organisations: Sequence[Organisation], number: int, received: Path | None = None) -> list[float]:
    """Let events happen one after the other; seconds from each to its receivers that answer."""
    told: dict[str, float] = {}
    for place in range(number):
        subject = uuid.uuid4()
        _make_events([(organisations[place % len(organisations)], subject)])
        told[make_message_id(subject)] = time.time()
        time.sleep(EVENT_EVERY)
    answering = Delivery.objects.filter(endpoint__url__contains="/answer/")
    wait_for(
        lambda: (
            not Event.objects.filter(position__isnull=True).exists()
            and not answering.filter(state=DeliveryState.PENDING).exists()
        ),
        "notifications",
    )
    lines = received.read_text().splitlines() if received is not None else []
    arrived = [(key, float(moment)) for key, moment in (line.split() for line in lines) if key in told]
    return [moment - told[key] for key, moment in arrived]


def _make_events(subjects: Sequence[tuple[Organisation, uuid.UUID]]) -> None:
    Event.objects.bulk_create(
        [
            Event(
                organisation=organisation,
                kind=EventKind.REQUEST_COMPLETED,
                subject=subject,
                device_identification="SIME0000000000001",
                data={
                    "correlation_uid": str(subject),
                    "device_identification": "SIME0000000000001",
                    "message": "ActualMeterReads",
                    "status": "SUCCEEDED",
                },
            )
            for organisation, subject in subjects
        ],
        batch_size=5_000,
    )


def _measure_backlog(sizes: Sizes, port: int, notifier: Part) -> Iterator[Figure]:
    """Events of some organisations with an endpoint each, all there at one moment."""
    Endpoint.objects.all().delete()
    organisations = _make_organisations_of_backlog()
    _make_endpoints(organisations, 1, f"http://127.0.0.1:{port}/answer")
    events = [
        (organisations[place % len(organisations)], uuid.uuid4()) for place in range(sizes.notifications)
    ]
    cpu = notifier.read_cpu_seconds()
    with postgres_cpu() as postgres:
        begun = time.perf_counter()
        _make_events(events)
        delivered = Delivery.objects.filter(state=DeliveryState.DELIVERED)
        wait_for(lambda: delivered.count() >= len(events), "the backlog to be sent")
        seconds, served = time.perf_counter() - begun, postgres()
    cpu = notifier.read_cpu_seconds() - cpu
    yield Figure(
        f"{len(events):,} notifications at once: per second, one notifier", len(events) / seconds, "1/s"
    )
    yield Figure("– per second of the notifier's CPU", len(events) / cpu, "1/s")
    yield Figure("– CPU per notification, notifier", 1000 * cpu / len(events), "ms")
    if served is not None:
        yield Figure("– CPU per notification, PostgreSQL", 1000 * served / len(events), "ms")


def _make_organisations_of_backlog() -> list[Organisation]:
    return Organisation.objects.bulk_create(
        [Organisation(identification=f"BACKLOG{place}", name="Benchmark") for place in range(BACKLOGGED)]
    )


def _measure_visits(head_end: HeadEnd, sizes: Sizes) -> Iterator[Figure]:
    """Turns with and without the event of a completed request; nobody sends it meanwhile."""
    pairs: list[dict[bool, tuple[float, float]]] = []
    with head_end.meters(sizes.sessions) as fleet:
        names = register_meters(fleet)
        with head_end.worker() as worker, head_end.dispatcher() as dispatcher:
            _visit(names, worker, dispatcher)
            for turn in range(PAIRS_PER_TURN * sizes.turns):
                # With and without, without and with, …: whatever drifts meanwhile counts for both.
                used = {}
                for is_told in (True, False) if turn % 2 else (False, True):
                    _tell_of_requests(is_told)
                    used[is_told] = _visit(names, worker, dispatcher)
                pairs.append(used)
            _tell_of_requests(True)
    without = "without an event"
    for place, what in enumerate(("head-end", "PostgreSQL")):
        told, untold = (
            1000 * median(pair[each][place] for pair in pairs) / len(names) for each in (True, False)
        )
        yield Figure(f"CPU per visit whose end is an event, {what}", told, "ms", "", untold, without)
    # Neighbours are compared: the machine itself drifts by more than the event costs.
    ratio = median(sum(pair[True]) / sum(pair[False]) for pair in pairs)
    yield Figure("– both, times that of the peer: the middle one of pairs in turn", ratio, "×", "≤ 1.05 ×")


def _tell_of_requests(is_told: bool) -> None:
    change = completion_events.create if is_told else completion_events.drop
    change(connection)


def _visit(names: Sequence[str], *parts: Part) -> tuple[float, float]:
    """CPU seconds of head-end and PostgreSQL for a visit of each meter."""
    reads = make_stored_reads(names)
    reads.start()
    before = sum(part.read_cpu_seconds() for part in parts)
    with postgres_cpu() as postgres:
        reads.wait()
        return sum(part.read_cpu_seconds() for part in parts) - before, postgres() or 0.0
