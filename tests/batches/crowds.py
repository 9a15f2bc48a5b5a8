"""Fleets of any size, made by the database itself: their rows never pass through the test's process."""

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.sql import Statement
from tests.factories import make_device

DEVICES = Device._meta.db_table
_OWN = {"id", "identification", "network_address"}
_COMMON = ", ".join(field.column for field in Device._meta.concrete_fields if field.column not in _OWN)
_COPIES = Statement(
    f"""
    INSERT INTO {DEVICES} (identification, network_address, {_COMMON})
    WITH RECURSIVE numbers(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM numbers WHERE number < %s)
    SELECT 'E' || substr(CAST(1000000000000000 + number AS text), 2), 'e' || number || '.invalid', {_COMMON}
      FROM numbers CROSS JOIN {DEVICES} WHERE id = %s
    """  # noqa: S608 (names of a table and its columns)
)
_OWNERSHIP = Statement(
    f"""
    INSERT INTO {DeviceAuthorisation._meta.db_table} (organisation_id, device_id, function_group, created_at)
    SELECT %s, id, %s, {{now}} FROM {DEVICES} WHERE id > %s
    """  # noqa: S608 (table names)
)


def make_crowd(owner: Organisation, count: int) -> None:
    """``count`` electricity meters that ``owner`` owns, all of them copies of one."""
    first = make_device("E000000000000001", owner=owner)
    _COPIES.execute(count, first.pk)
    _OWNERSHIP.execute(owner.pk, DeviceFunctionGroup.OWNER.value, first.pk)
