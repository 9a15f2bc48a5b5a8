"""What dialling a meter needs from the database: address, keys, a block of invocation counter values."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection

from osgp.catalogue.communication import Security
from osgp.devices import invocation_counters, keystore
from osgp.devices.keystore import SealedKey
from osgp.devices.models import DeviceKey, KeyState, KeyType
from osgp.faults import Fault
from osgp.requests import work
from osgp.requests.states.tables import DEVICES
from osgp.requests.work import WorkMeter
from osgp.sql import Statement


@dataclass(frozen=True)
class PreparedMeter:
    """A meter with its ACTIVE and NEW keys, still sealed.

    ``block``: values of the counter of its ACTIVE encryption key that are reserved, if any.
    """

    meter: WorkMeter
    keys: list[SealedKey] = field(repr=False)
    block: range | None


_KEYS = DeviceKey._meta.db_table
_PREPARE = Statement(
    f"""
    WITH reserved AS (
        UPDATE {invocation_counters.TABLE} SET next_value = next_value + %s
         WHERE id = (SELECT k.counter_id FROM {_KEYS} k JOIN {DEVICES} d ON d.id = k.device_id
                      WHERE k.device_id = %s AND k.key_type = '{KeyType.E_METER_ENCRYPTION_KEY_UNICAST}'
                        AND k.state = '{KeyState.ACTIVE}' AND d.security = '{Security.HLS5}')
           AND {invocation_counters.IS_FREE}
        RETURNING next_value)
    SELECT (SELECT next_value FROM reserved), {work.METER_COLUMNS}, {keystore.SEALED_COLUMNS}
      FROM {DEVICES} d
      LEFT JOIN {_KEYS} k ON k.device_id = d.id AND {keystore.IN_METER}
     WHERE d.id = %s
    """  # noqa: S608 (table names)
)


_KEY = 1 + work.METER_COLUMN_COUNT
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
    # All of it is as of one moment, so the values are those of the keys that it returns.
    rows = _PREPARE.fetch_rows(count, meter_id, count, meter_id)
    end = rows[0][0]
    keys = [SealedKey.from_row(row[_KEY:]) for row in rows if row[_KEY] is not None]
    block = None if end is None else range(end - count, end)
    return PreparedMeter(WorkMeter.from_row(rows[0][1:_KEY]), keys, block)


def _prepare_step_by_step(meter_id: int) -> PreparedMeter:
    meter = work.load_meter(meter_id)
    keys = keystore.read_sealed_keys(meter_id)
    counter_id = find_counter(keys)
    block = None
    if meter.security == Security.HLS5 and counter_id is not None:
        with suppress(Fault):  # Raised again when the counter is needed.
            block = invocation_counters.reserve(counter_id, settings.OSGP["INVOCATION_COUNTER_BLOCK"])
    return PreparedMeter(meter, keys, block)


def find_counter(keys: Iterable[SealedKey], state: KeyState = KeyState.ACTIVE) -> int | None:
    """Return the id of the counter of the encryption key in that state; None if there is no such key."""
    for key in keys:
        if key.state == state and key.key_type == KeyType.E_METER_ENCRYPTION_KEY_UNICAST:
            return key.counter_id
    return None
