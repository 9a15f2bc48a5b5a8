"""Interval months of meters: what storing them costs beside reading them off the line, and beside a row for
each value; and how long the question takes which meters lack something.

CPU of PostgreSQL is that of the connection's own server process.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from osgp.completeness.missing import Question, find_missing
from osgp.devices.models import Device, DeviceType
from osgp.messages.readings import Period, Readings
from osgp.readings import partitions, storing
from osgp.readings.calendar import list_expected_ends
from scripts.benchmarks import day_profile
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure, read_cpu_seconds
from scripts.benchmarks.sizes import Sizes

FIRST, DAYS = date(2026, 9, 1), 30
PER_DAY = 96
TAGS = ("ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT")
VALUES = DAYS * PER_DAY * len(TAGS)
"""Of one meter in one month."""
ROW_PER_VALUE = "a row for each value"
WARM_UP = 10

Month = list[tuple[list[datetime], list[int], list[int]]]


class Cost:
    """What storing months cost: CPU of PostgreSQL and of this process in ms per month, seconds in all."""

    def __init__(self, work: Callable[[int], object], first: int, behind: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            server = cursor.fetchone()[0]
        server_before, own_before, begin = read_cpu_seconds(server), time.process_time(), time.perf_counter()
        for number in range(first, behind):
            work(number)
        self.seconds = time.perf_counter() - begin
        count = behind - first
        self.server = 1000 * (read_cpu_seconds(server) - server_before) / count
        self.own = 1000 * (time.process_time() - own_before) / count
        self.values_per_second = count * VALUES / self.seconds


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Months of ``sizes.months`` meters, then the question of ``sizes.expected`` meters."""
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": None}
    devices = _make_devices(sizes.months + WARM_UP)
    months = _make_months(devices)
    ours, rows = _Columns(devices, months), _Rows(months)
    ours.begin()
    for way in (ours, rows):
        Cost(way.store, 0, WARM_UP)
    costs = [Cost(way.store, WARM_UP, len(devices)) for way in (ours, rows)]
    sizes_of = [way.size() / (len(devices) * VALUES) for way in (ours, rows)]
    again = [Cost(way.store, WARM_UP, len(devices)) for way in (ours, rows)]
    yield from _compare("values stored per second, one connection", "1/s", costs, "values_per_second")
    yield from _compare("CPU of PostgreSQL per meter and interval month", "ms", costs, "server")
    yield from _compare("CPU of the worker to store it", "ms", costs, "own")
    yield Figure(
        "CPU of the worker to decipher, decode and understand it", _measure_decoding(sizes.rounds), "ms"
    )
    yield from _compare("the same month once more: CPU of PostgreSQL", "ms", again, "server")
    yield from _compare("the same month once more: CPU of the worker", "ms", again, "own")
    yield Figure("disk per value, indexes included", sizes_of[0], "bytes", "", sizes_of[1], ROW_PER_VALUE)
    question = f"a page of what {sizes.expected:,} meters lack, when it is the last one"
    yield Figure(question, _measure_question(sizes.expected), "ms")


def _compare(what: str, unit: str, costs: Sequence[Cost], name: str) -> Iterator[Figure]:
    ours, other = (getattr(cost, name) for cost in costs)
    yield Figure(what, ours, unit, "", other, ROW_PER_VALUE)


def _make_devices(count: int) -> list[Device]:
    first = Device.objects.count()
    Device.objects.bulk_create(
        Device(
            identification=f"READ{first + number:012}",
            device_type=DeviceType.SMART_METER_E,
            protocol_name="SMR",
            protocol_version="5.1",
        )
        for number in range(count)
    )
    return list(Device.objects.filter(identification__startswith="READ").order_by("-pk")[:count])[::-1]


def _make_months(devices: Sequence[Device]) -> list[Month]:
    """Registers that run on, differently for each meter; the times are a list of their own for each."""
    chance = random.Random(1)
    until = FIRST + timedelta(days=DAYS)
    seconds = list_expected_ends(Period.INTERVAL, FIRST, until, ZoneInfo("Europe/Amsterdam"), 900)
    months: list[Month] = []
    for _ in devices:
        ends = [datetime.fromtimestamp(second, UTC) for second in seconds]
        status = [0] * len(ends)
        month: Month = []
        for _ in TAGS:
            register = chance.randrange(10**6, 5 * 10**7)
            values = []
            for _ in ends:
                register += chance.choice((0, 3, 20, 48, 55, 60, 120, 300))
                values.append(register)
            month.append((ends, values, status))
        months.append(month)
    return months


class _Columns:
    """As the platform does it."""

    def __init__(self, devices: Sequence[Device], months: Sequence[Month]) -> None:
        self._devices, self._months = devices, months

    def begin(self) -> None:
        """The day before, so that the meters are known: a series is made once."""
        before = [datetime(2026, 8, 31, 12, tzinfo=UTC)]
        for number in range(len(self._devices)):
            self._store(number, [Readings(tag, Period.INTERVAL, before, [0], "kWh", -3) for tag in TAGS])

    def store(self, number: int) -> None:
        """A month as one delivery."""
        told = [
            Readings(tag, Period.INTERVAL, ends, values, "kWh", -3, statuses, 900)
            for tag, (ends, values, statuses) in zip(TAGS, self._months[number], strict=True)
        ]
        self._store(number, told)

    def _store(self, number: int, told: Sequence[Readings]) -> None:
        kept = storing.prepare(self._devices[number], told)
        assert kept is not None
        with transaction.atomic():
            storing.store(kept, uuid.uuid4(), "PeriodicMeterReads")

    def size(self) -> int:
        """Bytes on disk."""
        return _measure_size(
            [*partitions.list_tables(), "readings_completeness", "readings_series", "readings_delivery"]
        )


class _Rows:
    """A row for each value, partitioned by month as well: one statement for each quantity."""

    def __init__(self, months: Sequence[Month]) -> None:
        self._months = months
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE bench_value (series bigint NOT NULL, interval_end timestamptz NOT NULL,"
                " amount bigint NOT NULL, status smallint, delivery bigint NOT NULL,"
                " PRIMARY KEY (series, interval_end)) PARTITION BY RANGE (interval_end)"
            )
            cursor.execute(
                "CREATE TABLE bench_value_1 PARTITION OF bench_value"
                " FOR VALUES FROM ('2026-08-31') TO ('2026-10-02')"
            )

    def store(self, number: int) -> None:
        """A month in one transaction."""
        with transaction.atomic(), connection.cursor() as cursor:
            for place, (ends, values, statuses) in enumerate(self._months[number]):
                cursor.execute(
                    "INSERT INTO bench_value SELECT %s, to_timestamp(e), a, t, %s"
                    " FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[]) AS said (e, a, t)"
                    " ON CONFLICT DO NOTHING",
                    [
                        number * len(TAGS) + place,
                        number,
                        _write_literal([int(end.timestamp()) for end in ends]),
                        _write_literal(values),
                        _write_literal(statuses),
                    ],
                )

    def size(self) -> int:
        """Bytes on disk."""
        return _measure_size(["bench_value_1"])


def _write_literal(column: Sequence[int]) -> str:
    return f"{{{','.join(map(str, column))}}}"


def _measure_size(tables: Sequence[str]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s) AS t", [list(tables)])
        return int(cursor.fetchone()[0])


def _measure_decoding(rounds: int) -> float:
    """A day from its ciphered answer to what PeriodicMeterReads makes of it, times the days."""
    return float(day_profile.measure_costs("own", rounds)["result_ms"]) * DAYS


def _measure_question(count: int) -> float:
    """Of a day, with meters of two series, all of them full but those of the last meter."""
    devices = _make_devices(count)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO readings_series"
            " (device_id, channel, quantity, period, unit, capture_period, time_zone)"
            " SELECT id, 0, q, 'INTERVAL', 'kWh', 900, 'Europe/Amsterdam' FROM devices_device,"
            " unnest(ARRAY['1-0:1.8.0.255', '1-0:2.8.0.255']) AS q WHERE id BETWEEN %s AND %s",
            [devices[0].pk, devices[-1].pk],
        )
        cursor.execute(
            "INSERT INTO readings_completeness (series_id, month, full_days)"
            " SELECT id, '2026-09-01', (1::bigint << 30) - 1 FROM readings_series"
            " WHERE device_id BETWEEN %s AND %s",
            [devices[0].pk, devices[-2].pk],
        )
        cursor.execute("ANALYZE")
    question = Question(
        Device.objects.filter(pk__gte=devices[0].pk),
        str(Period.INTERVAL),
        FIRST + timedelta(days=9),
        FIRST + timedelta(days=10),
    )
    begin = time.perf_counter()
    page = find_missing(question, 50)
    if [one.device.pk for one in page.found] != [devices[-1].pk]:
        raise RuntimeError("the meter that lacks something was not found")
    return 1000 * (time.perf_counter() - begin)
