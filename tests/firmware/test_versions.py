"""The history of firmware versions: what adds a row, and what only moves when a version was last seen."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from osgp.devices.models import Device
from osgp.firmware.models import FirmwareModuleType, FirmwareVersion
from osgp.firmware.versions import filter_by_version, list_current, list_history, record_versions

METER, MODULE = FirmwareModuleType.ACTIVE_FIRMWARE, FirmwareModuleType.MODULE_ACTIVE_FIRMWARE
DAY = timedelta(days=1)
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(device: Device) -> list[tuple[str, str, int, int, bool]]:
    """The history, times in days after the first."""
    return [
        (row.module_type, row.version, (row.since - FIRST).days, (row.last_seen - FIRST).days, row.is_current)
        for row in list_history(device)
    ]


def test_a_change_adds_a_row(device: Device) -> None:
    record_versions(device, {METER: "1", MODULE: "A"}, FIRST)
    record_versions(device, {METER: "1", MODULE: "A"}, FIRST + DAY)
    record_versions(device, {METER: "2", MODULE: "A"}, FIRST + 2 * DAY)
    record_versions(device, {METER: "1"}, FIRST + 3 * DAY)
    assert told(device) == [
        (METER, "1", 3, 3, True),
        (METER, "2", 2, 2, False),
        (METER, "1", 0, 1, False),
        (MODULE, "A", 0, 2, True),
    ]
    current = list_current([device.pk])[device.pk]
    assert [(row.module_type, row.version) for row in current] == [(METER, "1"), (MODULE, "A")]


def test_twice_is_as_once(device: Device) -> None:
    record_versions(device, {METER: "1"}, FIRST)
    for _ in range(2):
        record_versions(device, {METER: "2"}, FIRST + DAY)
    assert told(device) == [(METER, "2", 1, 1, True), (METER, "1", 0, 0, False)]


def test_clocks_of_workers_differ(device: Device) -> None:
    record_versions(device, {METER: "1"}, FIRST + 2 * DAY)
    record_versions(device, {METER: "1"}, FIRST + DAY)
    assert told(device) == [(METER, "1", 2, 2, True)]
    record_versions(device, {METER: "2"}, FIRST + DAY)
    assert told(device) == [(METER, "2", 2, 2, True), (METER, "1", 2, 2, False)]


def test_nothing_told_changes_nothing(device: Device) -> None:
    record_versions(device, {METER: "1"}, FIRST)
    record_versions(device, {}, FIRST + DAY)
    assert told(device) == [(METER, "1", 0, 0, True)]


def test_devices_by_version(device: Device, gas_meter: Device) -> None:
    record_versions(device, {METER: "1", MODULE: "1"}, FIRST)
    record_versions(gas_meter, {FirmwareModuleType.SIMPLE_VERSION_INFO: "2"}, FIRST)
    assert list(filter_by_version(Device.objects.all(), "1")) == [device]
    assert list(filter_by_version(Device.objects.all(), "2")) == [gas_meter]
    record_versions(device, {METER: "3", MODULE: "3"}, FIRST + DAY)
    assert not filter_by_version(Device.objects.all(), "1").exists()


def test_a_second_time_takes_a_few_statements(device: Device) -> None:
    record_versions(device, {METER: "1"}, FIRST)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        record_versions(device, {METER: "1"}, FIRST + DAY)
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 3


@pytest.mark.django_db
def test_the_list_of_no_devices_is_empty() -> None:
    assert list_current([]) == {}
    assert not FirmwareVersion.objects.exists()
