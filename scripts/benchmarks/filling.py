"""Fills the tables of requests as those of a large platform are: a past of many nights, and a batch that
waits. Needs Django set up, and PostgreSQL.

Rows come by COPY. The past comes without foreign keys and indexes, which are made anew afterwards: that is
much faster for millions of rows, and checks every one of them.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.color import no_style
from django.db import connection
from django.db.models import JSONField, Max, Model
from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, BatchSource, BatchState
from osgp.completeness import rounds
from osgp.completeness.models import Counting
from osgp.devices.models import Device, DeviceKey
from osgp.metrics import rollup
from osgp.metrics.models import Cursor
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState

GROWING = (Request, Action, MeterSession)
MESSAGE = "ActualMeterReads"
DAYS = 28
"""How long ago the first of the past was; keep it for longer."""
PER_SECOND = 60
"""Visits of a night in the past."""
FAILED_EACH = 33
"""One of so many requests of the past failed."""
RESULT = {
    "log_time": "2026-11-23T01:46:28Z",
    "active_energy_import": {"unit": "kWh", "value": "14999.596"},
    "active_energy_export": {"unit": "kWh", "value": "120.070"},
}
FAULT = {"code": 602, "message": "The meter did not answer.", "component": "PROTOCOL_DLMS", "retryable": True}
PER_CHUNK = 5_000
_ODD, _LARGE = 0x9E3779B97F4A7C15F39CC0605CEDC835, 1 << 128

NULL = r"\N"


@dataclass(frozen=True)
class Night:
    """Who is in the tables: ``others`` are the meters that wait and that nobody simulates."""

    organisation: Organisation
    meters: Sequence[tuple[int, str]]
    """Key and identification of all meters."""
    others: Sequence[tuple[int, str]]


def add_meters(count: int) -> Night:
    """Add meters that are like the first one but not to be reached; each is granted to the same owner."""
    like = Device.objects.order_by("pk")[0]
    first = _find_free_key(Device)
    others = [(first + number, f"WAIT{number:012}") for number in range(count)]
    like.port = 1
    # Each at an address of its own, as meters of one endpoint are visited one after the other.
    placed = ((pk, identification, f"{identification}.invalid".lower()) for pk, identification in others)
    _copy(like, {"id": "%d", "identification": "%s", "network_address": "%s"}, placed)
    grant = DeviceAuthorisation.objects.get(device_id=like.pk, function_group=DeviceFunctionGroup.OWNER.value)
    with _without_checks(DeviceKey, DeviceAuthorisation):
        for row in (*DeviceKey.objects.filter(device_id=like.pk), grant):
            first_row = _find_free_key(type(row))
            rows = ((first_row + number, pk) for number, (pk, _) in enumerate(others))
            _copy(row, {"id": "%d", "device_id": "%d"}, rows)
    _set_sequences(Device, DeviceKey, DeviceAuthorisation)
    meters = list(Device.objects.order_by("pk").values_list("pk", "identification"))
    return Night(Organisation.objects.get(pk=grant.organisation_id), meters, others)


def add_past(night: Night, count: int) -> None:
    """Add requests that are over, with their actions and visits: night after night, each meter once."""
    begin = timezone.now() - timedelta(days=DAYS)
    nights = -(-count // len(night.meters))
    past = _Past(night, count, begin, timedelta(days=DAYS - 1) / nights)
    with _without_checks(*GROWING):
        _copy_sessions(past)
        _copy_requests(past)
        _copy_actions(past)
    _set_sequences(Request, Action)
    # What has been counted for the metrics is not counted again.
    for stream in rollup.STREAMS:
        Cursor.objects.update_or_create(name=stream.name, defaults={"counted_until": timezone.now()})


def add_batch(night: Night) -> None:
    """Add a batch for all the other meters, due now."""
    now = timezone.now()
    batch = _make_batch(night, len(night.others), now, state=BatchState.RUNNING)
    request = Request(
        organisation=night.organisation,
        application="bench",
        message=MESSAGE,
        batch=batch,
        bypass_retry=True,
        due_at=now,
        created_at=now,
    )
    first = _find_free_key(Request)
    rows = (
        (first + number, _make_uid(first + number), pk, pk, identification)
        for number, (pk, identification) in enumerate(night.others)
    )
    columns = {
        "id": "%d",
        "correlation_uid": "%s",
        "device_id": "%d",
        "meter_id": "%d",
        "device_identification": "%s",
    }
    _copy(request, columns, rows)
    first_action = _find_free_key(Action)
    actions = ((first_action + number, first + number, pk) for number, (pk, _) in enumerate(night.others))
    _copy(Action(message=MESSAGE), {"id": "%d", "request_id": "%d", "device_id": "%d"}, actions)
    _set_sequences(Request, Action)


def empty() -> None:
    """Forget all requests."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(model._meta.db_table for model in GROWING)} CASCADE")
    analyze()


def analyze(*, vacuum: bool = False) -> None:
    """Let PostgreSQL know what is in the tables, and with ``vacuum`` which pages need no look."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)" if vacuum else "ANALYZE")


@contextmanager
def left_alone() -> Iterator[None]:
    """Nobody vacuums or analyzes the tables that grow meanwhile but who is told to, and no query has helpers.

    The CPU of helpers (parallel workers) could not be counted: they are gone before anybody looks.
    """
    name = connection.ops.quote_name(str(connection.settings_dict["NAME"]))
    tables = [model._meta.db_table for model in GROWING]
    helpers = "max_parallel_workers_per_gather"
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        cursor.execute(f"ALTER DATABASE {name} SET {helpers} = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
            cursor.execute(f"ALTER DATABASE {name} RESET {helpers}")


@dataclass(frozen=True)
class _Past:
    night: Night
    count: int
    begin: datetime
    between: timedelta
    """From one night to the next."""

    def list_visits(self) -> Iterator[tuple[int, int, str, str, str]]:
        """Number, meter and its identification, the time when all were due, and that of this visit's end."""
        number = 0
        for which in itertools.count():
            due = self.begin + which * self.between
            due_text = end = str(due)
            for place, (pk, identification) in enumerate(self.night.meters):
                if number == self.count:
                    return
                # Times are texts that visits share: to write one takes as long as the rest of a row.
                if place % PER_SECOND == 0:
                    end = str(due + timedelta(seconds=1 + place // PER_SECOND))
                yield number, pk, identification, due_text, end
                number += 1


def _copy_sessions(past: _Past) -> None:
    session = MeterSession(
        state=SessionState.CLOSED,
        worker="celery@worker",
        round_trips=4,
        bytes_sent=400,
        bytes_received=700,
    )
    rows = (
        (_make_uid(-1 - number), meter, end, end, end, end, end)
        for number, meter, _, _, end in past.list_visits()
    )
    columns = {"id": "%s", "meter_id": "%d"}
    times = ("opened_at", "published_at", "claimed_at", "expires_at", "closed_at")
    _copy(session, {**columns, **dict.fromkeys(times, "%s")}, rows)


def _copy_requests(past: _Past) -> None:
    batches = [
        _make_batch(past.night, 0, past.begin + number * past.between, state=BatchState.COMPLETED)
        for number in range(-(-past.count // len(past.night.meters)))
    ]
    request = Request(organisation=past.night.organisation, application="bench", message=MESSAGE, attempts=1)
    fault = json.dumps(FAULT)
    first = _find_free_key(Request)
    rows = (
        (
            first + number,
            _make_uid(first + number),
            batches[number // len(past.night.meters)].pk,
            meter,
            meter,
            identification,
            _make_uid(-1 - number),
            RequestState.FAILED.value if number % FAILED_EACH == 0 else RequestState.SUCCEEDED.value,
            fault if number % FAILED_EACH == 0 else NULL,
            due,
            due,
            end,
            end,
        )
        for number, meter, identification, due, end in past.list_visits()
    )
    columns = {"id": "%d", "correlation_uid": "%s", "batch_id": "%d", "device_id": "%d", "meter_id": "%d"}
    texts = ("device_identification", "session_id", "state", "fault")
    times = ("created_at", "due_at", "started_at", "completed_at")
    _copy(request, {**columns, **dict.fromkeys((*texts, *times), "%s")}, rows)


def _copy_actions(past: _Past) -> None:
    first, first_request = _find_free_key(Action), _find_free_key(Request) - past.count
    result, fault = json.dumps(RESULT), json.dumps(FAULT)
    done, failed = (ActionState.DONE.value, result, NULL), (ActionState.FAULT.value, NULL, fault)
    rows = (
        (
            first + number,
            first_request + number,
            meter,
            *(failed if number % FAILED_EACH == 0 else done),
            end,
            end,
        )
        for number, meter, _, _, end in past.list_visits()
    )
    columns = {"id": "%d", "request_id": "%d", "device_id": "%d"}
    texts = ("state", "result", "fault", "started_at", "finished_at")
    _copy(Action(message=MESSAGE), {**columns, **dict.fromkeys(texts, "%s")}, rows)


def _make_batch(night: Night, total: int, at: datetime, state: BatchState) -> Batch:
    return Batch.objects.create(
        organisation=night.organisation,
        application="bench",
        message=MESSAGE,
        source=BatchSource.GROUP,
        state=state,
        total=total or len(night.meters),
        created_at=at,
        completed_at=at + timedelta(hours=1) if state == BatchState.COMPLETED else None,
    )


def pause_counting() -> None:
    """Have the rounds that count how complete days are end now, so that the next ones begin much later.

    A platform's first round takes long. It would be measured where it happens to begin.
    """
    now = timezone.now()
    row = {"begun_at": now, "received_until": now, "failed_until": now}
    ended = asdict(rounds.Round(began=now.timestamp(), took=rounds.LONGEST_WALK))
    Counting.objects.update_or_create(pk=rounds.ONLY_ROW, defaults={**row, "walk": ended, "look": ended})


def _make_uid(number: int) -> str:
    """A UUID for each number, in no order, as those of the platform are."""
    return f"{number * _ODD % _LARGE:032x}"


def _find_free_key(model: type[Model]) -> int:
    highest: int | None = model._default_manager.aggregate(highest=Max("pk"))["highest"]
    return 1 + (highest or 0)


def _set_sequences(*models: type[Model]) -> None:
    """COPY says the keys itself: whoever comes next gets one above them."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)


class _Lines:
    """What COPY reads, made as it goes."""

    def __init__(self, line: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._line, self._rows = line, iter(rows)
        self._left = b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer, but some, until nothing is left."""
        if not self._left:
            chunk = itertools.islice(self._rows, PER_CHUNK)
            self._left = "".join([self._line % row for row in chunk]).encode()
        part, self._left = self._left[:size], self._left[size:]
        return part


def _copy(like: Model, varying: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """COPY rows that are ``like`` a row but for some columns, each with the format of its values."""
    fields = {field.attname: field for field in like._meta.concrete_fields}
    alike = [field for name, field in fields.items() if name not in varying]
    columns = [*(fields[name] for name in varying), *alike]
    values = [_write_value(field, getattr(like, field.attname)) for field in alike]
    line = "\t".join([*varying.values(), *(value.replace("%", "%%") for value in values)]) + "\n"
    quoted = ", ".join(f'"{field.column}"' for field in columns)
    with connection.cursor() as cursor:
        statement = f"COPY {like._meta.db_table} ({quoted}) FROM STDIN"
        cursor.copy_expert(statement, _Lines(line, rows), 1 << 16)


def _write_value(field: Any, value: Any) -> str:
    """A value in COPY's text format. What is stored here needs no escapes but those of octets."""
    if value is None:
        return NULL
    if isinstance(field, JSONField):
        return json.dumps(value)
    if isinstance(value, bytes | memoryview):
        return r"\\x" + bytes(value).hex()
    return str(value)


@contextmanager
def _without_checks(*models: type[Model]) -> Iterator[None]:
    """Drop foreign keys and indexes of tables, all but primary keys, and make them anew after the block."""
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('f', 'u') ORDER BY contype DESC, conname",
            [tables],
        )
        constraints = cursor.fetchall()
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[])"
            "   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
            [tables],
        )
        indexes = cursor.fetchall()
        for table, name, _ in constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in constraints:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        cursor.execute("RESET maintenance_work_mem")
