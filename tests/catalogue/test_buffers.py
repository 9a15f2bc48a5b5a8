"""The columns of every buffer, as the meters store them."""

import pytest

from osgp import catalogue
from osgp.catalogue import Profile, obis
from osgp.catalogue.cosem import AttributeDescriptor
from tests.catalogue.generations import ALL, BY_KEY, DSMR2, DSMR4, SMR5, WITH_THD

CLOCK = "8/0-0:1.0.0.255/2"
AMR_STATUS = "1/0-0:96.10.2.255/2"
IMPORT, EXPORT = "3/1-0:1.8.0.255/2", "3/1-0:2.8.0.255/2"
RATES = ["3/1-0:1.8.1.255/2", "3/1-0:1.8.2.255/2", "3/1-0:2.8.1.255/2", "3/1-0:2.8.2.255/2"]
GAS_2 = [f"4/0-{channel}:24.2.1.255/2" for channel in (1, 2, 3, 4)]
GAS_2_AND_5 = [f"4/0-{channel}:24.2.1.255/{attribute}" for channel in (1, 2, 3, 4) for attribute in (2, 5)]

ELECTRICITY = [
    # profiles, buffer, its OBIS code, columns, capture period in seconds (0: by calendar month), entries
    (ALL, "INTERVAL_VALUES_E", "1-0:99.1.0.255", [CLOCK, AMR_STATUS, IMPORT, EXPORT], 900, 960),
    (DSMR2, "DAILY_VALUES_COMBINED", "1-0:99.2.0.255", [CLOCK, AMR_STATUS, *RATES, *GAS_2], 86400, 40),
    (DSMR4, "DAILY_VALUES_COMBINED", "1-0:99.2.0.255", [CLOCK, AMR_STATUS, *RATES, *GAS_2_AND_5], 86400, 40),
    (DSMR2, "MONTHLY_VALUES_COMBINED", "0-0:98.1.0.255", [CLOCK, *RATES, *GAS_2], 0, 13),
    (DSMR4, "MONTHLY_VALUES_COMBINED", "0-0:98.1.0.255", [CLOCK, *RATES, *GAS_2_AND_5], 0, 13),
    (SMR5, "DAILY_VALUES_E", "1-0:99.2.0.255", [CLOCK, "1/0-0:96.10.4.255/2", *RATES], 86400, 40),
    (SMR5, "MONTHLY_VALUES_E", "1-0:98.1.0.255", [CLOCK, "1/0-0:96.10.6.255/2", *RATES], 0, 13),
]

LOGS = [
    # profiles, log, its OBIS code, columns after the clock, entries
    (ALL, "STANDARD_EVENT_LOG", "0-0:99.98.0.255", ["0-0:96.11.0.255"], 100),
    (ALL, "FRAUD_DETECTION_EVENT_LOG", "0-0:99.98.1.255", ["0-0:96.11.1.255"], 30),
    (ALL, "MBUS_EVENT_LOG", "0-0:99.98.3.255", ["0-0:96.11.3.255"], 30),
    (
        DSMR4 + SMR5,
        "COMMUNICATION_SESSION_EVENT_LOG",
        "0-0:99.98.4.255",
        ["0-0:96.11.4.255", "0-0:96.15.4.255"],
        2190,
    ),
    (SMR5, "POWER_QUALITY_EVENT_LOG", "0-0:99.98.5.255", ["0-0:96.11.5.255"], 100),
    (SMR5[1:], "AUXILIARY_EVENT_LOG", "0-0:99.98.6.255", ["0-0:96.11.6.255"], 80),
    (
        SMR5[2:],
        "POWER_QUALITY_EXTENDED_EVENT_LOG",
        "0-0:99.98.7.255",
        ["0-0:96.11.7.255", "0-0:96.11.20.255", "0-0:96.11.21.255"],
        20,
    ),
    (
        WITH_THD,
        "POWER_QUALITY_THD_EVENT_LOG",
        "0-0:99.98.8.255",
        ["0-0:96.11.8.255", "0-0:96.11.22.255"],
        100,
    ),
]


def columns(profile: Profile, tag: str, channel: int | None = None) -> list[str]:
    return [str(column.descriptor) for column in profile.list_capture_columns(tag, channel)]


def period_and_entries(profile: Profile, tag: str) -> tuple[str | None, str | None]:
    attributes = profile[tag].attributes
    return attributes[4].value, attributes[8].value


@pytest.mark.parametrize(("keys", "tag", "code", "expected", "period", "entries"), ELECTRICITY)
def test_electricity_buffers(
    keys: tuple[str, ...], tag: str, code: str, expected: list[str], period: int, entries: int
) -> None:
    for key in keys:
        profile = BY_KEY[key]
        assert (profile[tag].class_id, profile[tag].class_version, profile[tag].obis) == (7, 1, code)
        assert columns(profile, tag) == expected
        assert period_and_entries(profile, tag) == (str(period), str(entries))


@pytest.mark.parametrize("channel", obis.MBUS_CHANNELS)
@pytest.mark.parametrize(
    ("keys", "tag", "group_e", "status_e", "register_e", "attributes", "period", "entries"),
    [
        (DSMR2, "INTERVAL_VALUES_G", 0, 3, 1, (2,), 3600, 240),
        (DSMR4, "INTERVAL_VALUES_G", 0, 3, 1, (2, 5), 3600, 240),
        (SMR5, "INTERVAL_VALUES_G", 0, 3, 2, (2, 5), 3600, 240),
        (SMR5, "DAILY_VALUES_G", 1, 5, 2, (2, 5), 86400, 40),
        (SMR5, "MONTHLY_VALUES_G", 2, 7, 2, (2, 5), 0, 13),
    ],
)
def test_gas_buffers_per_channel(
    keys: tuple[str, ...],
    tag: str,
    group_e: int,
    status_e: int,
    register_e: int,
    attributes: tuple[int, ...],
    period: int,
    entries: int,
    channel: int,
) -> None:
    for key in keys:
        profile = BY_KEY[key]
        assert profile[tag].get_logical_name(channel) == bytes((0, channel, 24, 3, group_e, 255))
        assert columns(profile, tag, channel) == [
            CLOCK,
            f"1/0-{channel}:96.10.{status_e}.255/2",
            *(f"4/0-{channel}:24.2.{register_e}.255/{attribute}" for attribute in attributes),
        ]
        assert period_and_entries(profile, tag) == (str(period), str(entries))


@pytest.mark.parametrize(
    ("tag", "keys"),
    [
        ("DAILY_VALUES_COMBINED", DSMR2 + DSMR4),
        ("MONTHLY_VALUES_COMBINED", DSMR2 + DSMR4),
        ("DAILY_VALUES_E", SMR5),
        ("MONTHLY_VALUES_E", SMR5),
        ("DAILY_VALUES_G", SMR5),
        ("MONTHLY_VALUES_G", SMR5),
    ],
)
def test_combined_buffers_are_dsmr_and_separate_ones_smr5(tag: str, keys: tuple[str, ...]) -> None:
    assert tuple(key for key, profile in BY_KEY.items() if tag in profile) == keys


@pytest.mark.parametrize(("keys", "tag", "code", "after_clock", "entries"), LOGS)
def test_event_logs(keys: tuple[str, ...], tag: str, code: str, after_clock: list[str], entries: int) -> None:
    assert tuple(key for key, profile in BY_KEY.items() if tag in profile) == keys
    for key in keys:
        profile = BY_KEY[key]
        assert profile[tag].obis == code
        assert profile[tag].class_version == (0 if key in DSMR2 else 1)
        assert columns(profile, tag) == [CLOCK, *(f"1/{event}/2" for event in after_clock)]
        assert period_and_entries(profile, tag) == ("0", str(entries))


@pytest.mark.parametrize("key", ALL)
def test_log_of_power_failures(key: str) -> None:
    profile = BY_KEY[key]
    log, register = profile["POWER_FAILURE_EVENT_LOG"], profile["DURATION_OF_LAST_LONG_POWER_FAILURE"]
    assert (log.class_id, log.obis) == (7, "1-0:99.97.0.255")
    assert log.class_version == (0 if key in DSMR2 else 1)
    assert columns(profile, log.tag) == [CLOCK, "3/0-0:96.7.19.255/2"]
    assert period_and_entries(profile, log.tag) == ("0", "10")
    assert register.attributes[2].data_type == "double-long-unsigned"
    assert str(register.attributes[3].scaler_unit) == "0, SECOND"


@pytest.mark.parametrize(
    ("tag", "code", "period", "entries", "keys"),
    [
        ("DEFINABLE_LOAD_PROFILE", "0-1:94.31.6.255", 900, 960, DSMR4 + SMR5),
        ("POWER_QUALITY_PROFILE_1", "1-0:99.1.1.255", 900, 960, SMR5),
        ("POWER_QUALITY_PROFILE_2", "1-0:99.1.2.255", 600, 1440, SMR5),
    ],
)
def test_buffers_whose_columns_the_client_chooses(
    tag: str, code: str, period: int, entries: int, keys: tuple[str, ...]
) -> None:
    assert tuple(key for key, profile in BY_KEY.items() if tag in profile) == keys
    for key in keys:
        profile = BY_KEY[key]
        assert profile[tag].obis == code
        assert profile.list_capture_columns(tag) == ()
        assert profile[tag].selectable_objects[0] == "CLOCK"
        assert period_and_entries(profile, tag) == (str(period), str(entries))


def test_column_knows_tag_and_channel() -> None:
    first, *_, last = BY_KEY["DSMR-4.2.2"].list_capture_columns("DAILY_VALUES_COMBINED")
    assert first == ("CLOCK", AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2), 0, None)
    assert last == ("MBUS_MASTER_VALUE", AttributeDescriptor(4, bytes((0, 4, 24, 2, 1, 255)), 5), 0, 4)


def test_combined_buffer_holds_all_channels_whatever_is_asked() -> None:
    profile = BY_KEY["DSMR-4.2.2"]
    assert profile.list_capture_columns("DAILY_VALUES_COMBINED", 2) == profile.list_capture_columns(
        "DAILY_VALUES_COMBINED"
    )
    assert len(profile.list_capture_columns("DAILY_VALUES_COMBINED")) == 14
    assert len(profile.list_capture_columns("MONTHLY_VALUES_COMBINED")) == 13


@pytest.mark.parametrize("channel", [None, 0, 5])
def test_buffer_per_channel_needs_one(channel: int | None) -> None:
    with pytest.raises(ValueError, match=r"DAILY_VALUES_G: .* needs an M-Bus channel"):
        BY_KEY["SMR-5.1"].list_capture_columns("DAILY_VALUES_G", channel)


def test_what_is_no_buffer_has_no_columns() -> None:
    assert BY_KEY["SMR-5.1"].list_capture_columns("CLOCK") == ()
    with pytest.raises(catalogue.ObjectNotInProfile):
        BY_KEY["SMR-5.1"].list_capture_columns("DAILY_VALUES_COMBINED")


@pytest.mark.parametrize(
    ("tag", "code", "source", "scaler_unit"),
    [
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 93, "1-0:32.34.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 94, "1-0:52.34.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 95, "1-0:72.34.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 96, "1-0:32.38.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 97, "1-0:52.38.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_MAGNITUDE", 98, "1-0:72.38.0.255", "-1, V"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 93, "1-0:32.33.0.255", "-1, SECOND"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 94, "1-0:52.33.0.255", "-1, SECOND"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 95, "1-0:72.33.0.255", "-1, SECOND"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 96, "1-0:32.37.0.255", "-1, SECOND"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 97, "1-0:52.37.0.255", "-1, SECOND"),
        ("POWER_QUALITY_EXTENDED_EVENT_DURATION", 98, "1-0:72.37.0.255", "-1, SECOND"),
        ("POWER_QUALITY_THD_EVENT_MAGNITUDE", 51, "1-0:31.38.124.255", "0, PERCENT"),
        ("POWER_QUALITY_THD_EVENT_MAGNITUDE", 55, "1-0:51.38.124.255", "0, PERCENT"),
        ("POWER_QUALITY_THD_EVENT_MAGNITUDE", 59, "1-0:71.38.124.255", "0, PERCENT"),
    ],
)
def test_registers_that_explain_event_details(tag: str, code: int, source: str, scaler_unit: str) -> None:
    for key in WITH_THD if tag.startswith("POWER_QUALITY_THD") else SMR5[2:]:
        register = BY_KEY[key][BY_KEY[key][tag].source_objects[code]]
        assert (register.class_id, register.obis) == (3, source)
        assert str(register.attributes[3].stated_scaler_unit) == scaler_unit
