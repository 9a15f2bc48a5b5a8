"""The nightly job: a day of quarters of an hour and of daily values of all meters, read by a schedule.

Some meters do not answer, and some lines drop. The schedule carries SINCE_LAST_READING, so its second night
fetches what the first one could not. The peer is the same day of as many other meters as one batch, whose
times were computed by whoever sent it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Max, Sum
from django.utils import timezone

from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, RecurringRequest
from osgp.completeness.reports import read_counted_until
from osgp.completeness.totals import read_group_totals
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.fleet import schedule_submission, submission
from osgp.messages.readings import Period
from osgp.readings.calendar import find_day, find_midnight
from osgp.readings.models import Delivery
from osgp.requests.models import MeterSession, RequestState
from osgp.requests.submission import make_organisation_caller
from scripts.benchmarks.head_end import ORGANISATION, Fleet, HeadEnd, Part
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import Reads, postgres_cpu, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

LOCAL_HOUR = 1
"""The night begins at this hour of the meters, so that the day that is read has just ended."""
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
SILENT_EACH, DROPPING_EACH = 50, 100
"""One meter of so many does not answer all night; the line of one of so many drops."""
DROPS = 2
"""Answers that are cut: after one that opens an association the same visit dials again, as the meter may have
hung up because of the invocation counter."""
FEWEST = 3
"""Meters: one that is silent, one whose line drops, and one that answers."""
RETRY_SECONDS = 2
"""Half a minute in production, which says nothing but how long silent meters are waited for."""
SOON = timedelta(seconds=5)
PERIODS = (Period.INTERVAL, Period.DAILY)
OWN = ("dispatcher", "worker")
"""The platform's own processes."""
SCHEDULE = "night"
EVERYBODY, ANSWERING = "everybody", "answering"
"""Device groups."""
TABLES = {"requests": "requests_request", "actions": "requests_action", "visits": "requests_metersession"}
"""Tables whose octets are told one by one; those of some packages are added up."""
PACKAGES = ("readings", "completeness")


@dataclass(frozen=True)
class Night:
    """What a night took, per meter where it is not said otherwise."""

    seconds: float
    """From due to the last outcome."""
    seconds_answering: float
    """The same, of the meters that answered."""
    cpu: Mapping[str, float]
    """Milliseconds by kind of process, until what the meters said is stored and counted."""
    cpu_in_all: float
    """The same until the last outcome, of the platform's processes together."""
    retried: int
    """Meters that were read by a further attempt."""
    rows: float
    round_trips: float
    octets: Mapping[str, float]
    """By kind of table, indexes included."""
    complete: Mapping[str, float]
    """Share of the values that meters hold that is stored afterwards, in percent, by device group."""

    @property
    def own_cpu(self) -> float:
        """That of the platform's processes."""
        return sum(self.cpu[name] for name in OWN)


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Nights of a schedule and of a batch in turn, the cheapest of each counts; and a second night."""
    count = max(sizes.night, FEWEST)
    nights: dict[Way, list[Night]] = {_let_schedule_be_due: [], _send_batch: []}
    second = None
    for turn in range(sizes.night_turns):
        # Whatever else the machine does more and more of, or less and less, falls on both.
        for way in list(nights)[:: -1 if turn % 2 else 1]:
            with _evening(head_end, count) as evening:
                nights[way].append(evening.measure(way))
                if second is None:
                    evening.let_all_answer()
                    second = evening.measure(_let_schedule_be_due)
    assert second is not None
    first, batch = (min(each, key=lambda night: night.own_cpu) for each in nights.values())
    yield from _list_figures(count, first, second, batch)


def _list_figures(count: int, first: Night, second: Night, batch: Night) -> Iterator[Figure]:
    peer = "one batch, times computed by its sender"

    def compare(what: str, unit: str, values: Sequence[float], budget: str = "") -> Figure:
        return Figure(what, values[0], unit, budget, values[1], peer)

    nights = (first, batch)
    yield compare(f"{count:,} meters: from due to the last outcome", "s", [each.seconds for each in nights])
    yield compare(
        "– to the last result of those that answer", "s", [each.seconds_answering for each in nights]
    )
    own = [each.own_cpu for each in nights]
    yield compare("CPU per meter, dispatcher and workers", "ms", own)
    yield Figure("– times that of the peer", own[0] / own[1] if own[1] else 0.0, "×", "≤ 1.3 ×")
    yield compare("– dispatcher", "ms", [each.cpu["dispatcher"] for each in nights])
    yield compare("– workers", "ms", [each.cpu["worker"] for each in nights])
    yield compare("– with waiting for silent meters, all in", "ms", [each.cpu_in_all for each in nights])
    for name, title in (("PostgreSQL", "PostgreSQL's"), ("simulator", "simulator's")):
        if all(name in each.cpu for each in nights):
            yield compare(f"{title} CPU per meter, beside it", "ms", [each.cpu[name] for each in nights])
    yield compare("meters read by a further attempt", "", [each.retried for each in nights])
    yield compare("rows read per meter", "rows", [each.rows for each in nights])
    yield compare("round trips per meter", "round trips", [each.round_trips for each in nights])
    yield compare("database per meter", "octets", [sum(each.octets.values()) for each in nights])
    for kind in first.octets:
        yield compare(f"– {kind}", "octets", [each.octets[kind] for each in nights])
    yield compare(
        "complete afterwards, of meters that answer",
        "%",
        [each.complete[ANSWERING] for each in nights],
        "100 %",
    )
    yield compare("complete afterwards, of all meters", "%", [each.complete[EVERYBODY] for each in nights])
    again = "second night, all answer"
    yield Figure(f"{again}: complete afterwards", second.complete[EVERYBODY], "%", "100 %")
    yield Figure(f"{again}: rows read per meter", second.rows, "rows")
    yield Figure(f"{again}: round trips per meter", second.round_trips, "round trips")
    yield Figure(f"{again}: CPU per meter", second.own_cpu, "ms")
    yield Figure(f"{again}: database per meter", sum(second.octets.values()), "octets")


class _Evening:
    """A head-end and meters of which all days but the last one are read."""

    def __init__(
        self,
        fleet: Fleet,
        parts: Mapping[str, list[Part]],
        caller: Caller,
        zone: ZoneInfo,
        midnight: datetime,
    ) -> None:
        self.caller, self.midnight = caller, midnight
        self._fleet = fleet
        self._parts = {**parts, "simulator": [fleet.part]}
        self._count = self._answering = len(fleet.descriptions())
        # The end of its last interval belongs to a day.
        self._day = find_day(midnight, zone)

    def send_batch(self, begin: datetime, end: datetime) -> Batch:
        """Ask all meters for what lies between two times, both included."""
        times = {"begin_date": begin.isoformat(), "end_date": end.isoformat()}
        return submission.submit(
            self.caller, {"message": "Bundle", "device_group": EVERYBODY, "actions": make_actions(times)}
        )

    def wait_until_counted(self) -> None:
        """Until the readings that came are in the totals of completeness."""
        last = Delivery.objects.aggregate(last=Max("received_at"))["last"]

        def are_counted() -> bool:
            until = read_counted_until()
            return until is not None and until >= last

        wait_for(are_counted, "readings to be counted")

    def let_meters_fail(self, silent: Sequence[str], dropping: Sequence[str]) -> None:
        """Some do not answer from now on; the line of others drops before the first attempt is over."""
        self._answering = self._count - len(silent)
        self._fleet.let_happen(kind="fault", fault="hang", meters=list(silent))
        self._fleet.let_happen(kind="fault", fault="drop-mid-answer", exchanges=DROPS, meters=list(dropping))

    def let_all_answer(self) -> None:
        """No meter fails any more."""
        self._answering = self._count
        self._fleet.let_happen(kind="fault-off")

    def measure(self, begin: "Way") -> Night:
        """Measure a night that begins like this."""
        octets, cpu = read_octets(), self._read_cpu()
        with postgres_cpu() as postgres:
            batch, due = begin(self)
            reads = Reads([batch])
            answered = reads.requests.filter(state=RequestState.SUCCEEDED)
            wait_for(
                lambda: answered.count() >= self._answering or reads.have_ended(),
                "all that answer to be read",
            )
            self.wait_until_counted()
            served = postgres()
            used = {name: after - cpu[name] for name, after in self._read_cpu().items()}
            wait_for(reads.have_ended, "the night to end")
            used_in_all = sum(self._read_cpu()[name] - cpu[name] for name in OWN)
        if served is not None:
            used["PostgreSQL"] = served
        grown = {kind: after - octets[kind] for kind, after in read_octets().items()}
        visits = MeterSession.objects.filter(opened_at__gte=due)
        round_trips = visits.aggregate(total=Sum("round_trips"))["total"] or 0
        return Night(
            seconds=max(reads.seconds_since(due)),
            seconds_answering=(answered.aggregate(last=Max("completed_at"))["last"] - due).total_seconds(),
            cpu_in_all=1000 * used_in_all / self._count,
            cpu={name: 1000 * each / self._count for name, each in used.items()},
            retried=answered.filter(attempts__gt=1).count(),
            rows=_count_rows(batch) / self._count,
            round_trips=round_trips / self._count,
            octets={kind: each / self._count for kind, each in grown.items()},
            complete={name: _read_share(self.caller, name, self._day) for name in (EVERYBODY, ANSWERING)},
        )

    def _read_cpu(self) -> dict[str, float]:
        return {name: sum(part.read_cpu_seconds() for part in each) for name, each in self._parts.items()}


Way = Callable[[_Evening], tuple[Batch, datetime]]
"""How meters are asked; returns the batch, with the moment at which it was due."""


@contextmanager
def _evening(head_end: HeadEnd, count: int) -> Iterator[_Evening]:
    """Meters that were installed two days ago and have been read once, up to the day before the last one."""
    zone_name = find_zone(timezone.now())
    zone = ZoneInfo(zone_name)
    midnight = find_midnight(find_day(timezone.now(), zone), zone).astimezone(UTC)
    options = ("--timezone", zone_name, "--calm", "--http-port", "0")
    with head_end.meters(count, *options) as fleet:
        names = register_meters(fleet, installed_at=midnight - 2 * DAY)
        silent, dropping = choose_failing(names)
        caller = make_organisation_caller(Organisation.objects.get(identification=ORGANISATION), "bench")
        failing = {*silent}
        for group, members in (
            (EVERYBODY, names),
            (ANSWERING, [name for name in names if name not in failing]),
        ):
            groups.add(DeviceGroup.objects.create(organisation=caller.organisation, name=group), members)
        with head_end.running(environment=make_variables(count)) as parts:
            evening = _Evening(fleet, parts, caller, zone, midnight)
            Reads([evening.send_batch(midnight - 2 * DAY + QUARTER, midnight - DAY)]).wait()
            evening.wait_until_counted()
            evening.let_meters_fail(silent, dropping)
            yield evening


def _let_schedule_be_due(evening: _Evening) -> tuple[Batch, datetime]:
    """Make the schedule, or change when it is due; returns the batch of its next occurrence."""
    due = (timezone.now() + SOON).replace(microsecond=0)
    row = RecurringRequest.objects.filter(name=SCHEDULE).first()
    row = schedule_submission.submit_schedule(
        evening.caller,
        {
            "name": SCHEDULE,
            "message": "Bundle",
            "parameters": {"actions": make_actions({"relative_period": "SINCE_LAST_READING"})},
            "device_group": EVERYBODY,
            "every": 1,
            "period": "days",
            "starts_at": due.isoformat(),
        },
        row,
    )
    made = Batch.objects.filter(recurring=row, occurrence=due)
    wait_for(made.exists, "the schedule to be due")
    return made.get(), due


def _send_batch(evening: _Evening) -> tuple[Batch, datetime]:
    """The same as a batch, for the times of which the schedule finds out that they were not read."""
    now = timezone.now()
    last = datetime.fromtimestamp(now.timestamp() // QUARTER.total_seconds() * QUARTER.total_seconds(), UTC)
    # The schedule is due after a while as well, and what runs meanwhile uses CPU.
    time.sleep(SOON.total_seconds())
    batch = evening.send_batch(evening.midnight - DAY + QUARTER, last)
    return batch, batch.created_at


def make_actions(times: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the actions that read values of these times."""
    return [{"message": "PeriodicMeterReads", "period_type": str(period), **times} for period in PERIODS]


def find_zone(now: datetime) -> str:
    """Return a time zone in which it is an hour after midnight ``now``: it is always night somewhere."""
    ahead = (LOCAL_HOUR - now.astimezone(UTC).hour + 12) % 24 - 12
    # The sign of these names is that of what they lie behind.
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def make_variables(count: int) -> dict[str, str]:
    """Return settings of workers: few meters answer soon, and many as late as production has patience."""
    return {
        "OSGP_RETRY_DELAY_SECONDS": str(RETRY_SECONDS),
        "OSGP_APDU_DEADLINE_SECONDS": str(max(5, min(30, count // 50))),
    }


def choose_failing(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return meters that do not answer, and others whose line drops."""
    return names[::SILENT_EACH], names[1::DROPPING_EACH]


def read_octets() -> dict[str, float]:
    """Return the octets of all tables, with their indexes and what they keep apart, by kind of table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables: dict[str, int] = dict(cursor.fetchall())
    octets = {kind: float(tables.pop(table)) for kind, table in TABLES.items()}
    for package in PACKAGES:
        names = [name for name in tables if name.startswith(f"{package}_")]
        octets[package] = float(sum(tables.pop(name) for name in names))
    octets["everything else"] = float(sum(tables.values()))
    return octets


def _count_rows(batch: Batch) -> int:
    """Rows that meters sent, as the results have them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(jsonb_array_length(a.result -> 'periodic_meter_reads')), 0)"
            "  FROM requests_action a JOIN requests_request r ON r.id = a.request_id"
            " WHERE r.batch_id = %s AND a.result IS NOT NULL",
            [batch.pk],
        )
        return int(cursor.fetchone()[0])


def _read_share(caller: Caller, name: str, day: date) -> float:
    """How much of a day of a device group is stored, in percent, by the platform's own totals."""
    group = groups.find_group(caller.organisation, name)
    assert group is not None
    totals = [line.total for period in PERIODS for line in read_group_totals([group.pk], period, [day])]
    return 100 * sum(total.received for total in totals) / sum(total.expected for total in totals)
