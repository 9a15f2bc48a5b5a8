"""What dialling a meter needs from the database: address, keys, a block of invocation counter values."""

from contextlib import suppress
from dataclasses import dataclass, field, fields

from django.conf import settings
from django.db import connection

from osgp.catalogue.communication import Security
from osgp.devices import invocation_counters, keystore
from osgp.devices.invocation_counters import END
from osgp.devices.keystore import SealedKey
from osgp.devices.models import Device, DeviceKey, KeyState
from osgp.faults import Fault
from osgp.requests import work
from osgp.requests.states.tables import DEVICES
from osgp.requests.work import WorkMeter
from osgp.sql import Statement


@dataclass(frozen=True)
class PreparedMeter:
    """A meter with its ACTIVE keys, still sealed. ``block``: counter values that are reserved, if any."""

    meter: WorkMeter
    keys: list[SealedKey] = field(repr=False)
    block: range | None


_PREPARE = Statement(
    f"""
    WITH reserved AS (
        UPDATE {DEVICES} SET invocation_counter = invocation_counter + %s
         WHERE id = %s AND security = '{Security.HLS5}' AND invocation_counter <= %s
        RETURNING invocation_counter)
    SELECT (SELECT invocation_counter FROM reserved), d.invocation_counter,
           {work.METER_COLUMNS}, {keystore.SEALED_COLUMNS}
      FROM {DEVICES} d
      LEFT JOIN {DeviceKey._meta.db_table} k ON k.device_id = d.id AND k.state = '{KeyState.ACTIVE}'
     WHERE d.id = %s
    """  # noqa: S608 (table names)
)


_KEY = 2 + len(fields(WorkMeter))
"""Index of the first column of the key."""


def prepare(meter_id: int) -> PreparedMeter:
    """Load a meter and its keys, and reserve counter values for these keys.

    One statement where the database can (SQLite cannot write within WITH). Within a transaction nothing is
    reserved: a rollback would hand out the values a second time.
    """
    if connection.in_atomic_block:
        return PreparedMeter(work.load_meter(meter_id), keystore.read_sealed_keys(meter_id), None)
    return (
        _prepare_in_one_statement(meter_id)
        if connection.vendor == "postgresql"
        else _prepare_step_by_step(meter_id)
    )


def _prepare_in_one_statement(meter_id: int) -> PreparedMeter:
    count = settings.OSGP["INVOCATION_COUNTER_BLOCK"]
    while True:
        rows = _PREPARE.fetch_rows(count, meter_id, END - count, meter_id)
        end, before, *_ = rows[0]
        meter = WorkMeter(*rows[0][2:_KEY])
        can_be_reserved = meter.security == Security.HLS5 and before is not None and before <= END - count
        # All columns but the first are as of the start of the statement. If it waited for a change of the
        # device, the counter may belong to newer keys than these.
        if end == (before + count if can_be_reserved else None):
            break
    keys = [SealedKey.from_row(row[_KEY:]) for row in rows if row[_KEY] is not None]
    return PreparedMeter(meter, keys, None if end is None else range(before, end))


def _prepare_step_by_step(meter_id: int) -> PreparedMeter:
    meter = work.load_meter(meter_id)
    if meter.security != Security.HLS5:
        return PreparedMeter(meter, keystore.read_sealed_keys(meter_id), None)
    while True:
        block = None
        with suppress(Fault):  # Raised again when the counter is needed.
            block = invocation_counters.reserve(meter_id, settings.OSGP["INVOCATION_COUNTER_BLOCK"])
        keys = keystore.read_sealed_keys(meter_id)
        # Newer keys let the counter start again.
        counter = Device.objects.filter(pk=meter_id).values_list("invocation_counter", flat=True).get()
        if block is None or counter == block.stop:
            return PreparedMeter(meter, keys, block)
