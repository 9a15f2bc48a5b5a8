"""What clients configure is kept, and refused where no meter could live with it."""

import pytest

from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.control import disconnect_remotely, reconnect_remotely
from osgp.simulator.meter.query import AccessError
from tests.catalogue.generations import ALL, NOT_DSMR2, SMR5

from .meters import make, read, write

DSMR4 = [profile for profile in NOT_DSMR2 if profile not in SMR5]
WITH_THD = ["SMR-5.2c", "SMR-5.5"]


def long_unsigned(value: int) -> Data:
    """A long-unsigned."""
    return Data(DataType.LONG_UNSIGNED, value)


def double_long_unsigned(value: int) -> Data:
    """A double-long-unsigned."""
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def structure(*parts: Data) -> Data:
    """A structure."""
    return Data(DataType.STRUCTURE, parts)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(DataType.OCTET_STRING, value)


FLAGS = Data(DataType.BIT_STRING, "1010101010101010")
_OPEN, _NIGHT = bytes.fromhex("FFFFFFFFFF01000000800000"), bytes.fromhex("FFFFFFFFFF05000000800000")
_ALARM = structure(
    long_unsigned(1), octets(bytes((0, 0, 97, 98, 0, 255))), Data(DataType.INTEGER, 2), long_unsigned(0)
)
PUSH = [
    (2, Data(DataType.ARRAY, (_ALARM,))),
    (3, structure(Data(DataType.ENUM, 1), octets(b"head-end.example:9598"), Data(DataType.ENUM, 128))),
    (4, Data(DataType.ARRAY, ())),
    (4, Data(DataType.ARRAY, (structure(octets(_OPEN), octets(_NIGHT)),))),
    (5, long_unsigned(65_535)),
    (6, Data(DataType.UNSIGNED, 255)),
    (7, long_unsigned(600)),
]

KEPT = [
    *(("ADMINISTRATIVE_IN_OUT", 2, Data(DataType.ENUM, number), NOT_DSMR2) for number in (0, 1, 2)),
    (
        "RANDOMISATION_SETTINGS",
        2,
        structure(double_long_unsigned(65_535), long_unsigned(7), long_unsigned(31)),
        NOT_DSMR2,
    ),
    ("CONFIGURATION_OBJECT", 2, structure(Data(DataType.ENUM, 2), FLAGS), DSMR4),
    ("CONFIGURATION_OBJECT", 2, FLAGS, SMR5),
    ("THD_VALUE_THRESHOLD", 2, long_unsigned(50), WITH_THD),
    ("THD_VALUE_HYSTERESIS", 2, long_unsigned(5), WITH_THD),
    ("THD_MIN_DURATION_NORMAL_TO_OVER", 2, double_long_unsigned(1_200), WITH_THD),
    ("THD_MIN_DURATION_OVER_TO_NORMAL", 2, double_long_unsigned(1_080), WITH_THD),
    ("THD_TIME_THRESHOLD", 2, double_long_unsigned(96_000), WITH_THD),
    *(
        (tag, attribute_id, value, profiles)
        for tag, profiles in (
            ("PUSH_SETUP_ALARM", NOT_DSMR2),
            ("PUSH_SETUP_SMS", NOT_DSMR2),
            ("PUSH_SETUP_UDP", ["SMR-5.5"]),
        )
        for attribute_id, value in PUSH
    ),
    *(
        (f"ALARM_FILTER_{number}", 2, double_long_unsigned(value), profiles)
        for number, profiles in ((1, ALL), (2, WITH_THD), (3, ["SMR-5.5"]))
        for value in (0, 0x8000_0001, 0xFFFF_FFFF)
    ),
]


@pytest.mark.parametrize(
    ("profile", "tag", "attribute_id", "value"),
    [
        (profile, tag, attribute_id, value)
        for tag, attribute_id, value, profiles in KEPT
        for profile in profiles
    ],
)
def test_what_is_written_is_kept(profile: str, tag: str, attribute_id: int, value: Data) -> None:
    meter, clock = make(profile, polyphase=True)
    write(meter, tag, value, attribute_id)
    clock.advance(days=100)
    assert read(meter, tag, attribute_id) == value


@pytest.mark.parametrize(
    ("profile", "tag", "value", "result"),
    [
        ("SMR-5.1", "ADMINISTRATIVE_IN_OUT", Data(DataType.ENUM, 3), "OTHER_REASON"),
        ("DSMR-4.2.2", "ADMINISTRATIVE_IN_OUT", Data(DataType.ENUM, 255), "OTHER_REASON"),
        ("SMR-5.1", "ADMINISTRATIVE_IN_OUT", Data(DataType.UNSIGNED, 1), "TYPE_UNMATCHED"),
        ("SMR-5.1", "CONFIGURATION_OBJECT", structure(Data(DataType.ENUM, 2), FLAGS), "TYPE_UNMATCHED"),
        ("SMR-5.1", "CONFIGURATION_OBJECT", Data(DataType.BIT_STRING, "10"), "TYPE_UNMATCHED"),
        ("SMR-4.3", "CONFIGURATION_OBJECT", FLAGS, "TYPE_UNMATCHED"),
        ("SMR-4.3", "CONFIGURATION_OBJECT", structure(FLAGS), "TYPE_UNMATCHED"),
        ("SMR-5.5", "ALARM_FILTER_3", long_unsigned(1), "TYPE_UNMATCHED"),
    ],
)
def test_what_makes_no_sense_is_refused(profile: str, tag: str, value: Data, result: str) -> None:
    meter, _ = make(profile)
    before = read(meter, tag)
    with pytest.raises(AccessError, match=result):
        write(meter, tag, value)
    assert read(meter, tag) == before


# Blue Book, class 70: which remote transitions each control mode has. State after, None where refused.

DISCONNECTED, CONNECTED, READY = 0, 1, 2
STATES = (DISCONNECTED, CONNECTED, READY)
AFTER_DISCONNECTION = {
    0: (None, None, None),
    **dict.fromkeys(range(1, 7), (DISCONNECTED, DISCONNECTED, DISCONNECTED)),
}
AFTER_RECONNECTION = {
    0: (None, None, None),
    1: (READY, CONNECTED, READY),
    2: (CONNECTED, CONNECTED, READY),
    3: (READY, CONNECTED, READY),
    4: (CONNECTED, CONNECTED, READY),
    5: (READY, CONNECTED, READY),
    6: (READY, CONNECTED, READY),
}


@pytest.mark.parametrize("mode", range(7))
def test_each_mode_has_its_transitions(mode: int) -> None:
    assert tuple(disconnect_remotely(mode, state) for state in STATES) == AFTER_DISCONNECTION[mode]
    assert tuple(reconnect_remotely(mode, state) for state in STATES) == AFTER_RECONNECTION[mode]


@pytest.mark.parametrize("state", [DISCONNECTED, READY])
def test_without_control_a_relay_is_connected(state: int) -> None:
    meter, clock = make("SMR-5.1")
    meter.switch(state, clock.now)
    assert read(meter, "DISCONNECT_CONTROL", 2).value is False
    write(meter, "DISCONNECT_CONTROL", Data(DataType.ENUM, 0), 4)
    assert read(meter, "DISCONNECT_CONTROL", 2).value is True
    assert read(meter, "DISCONNECT_CONTROL", 3).value == CONNECTED
    before = read(meter, "ACTIVE_ENERGY_IMPORT").value
    clock.advance(hours=1)
    assert read(meter, "ACTIVE_ENERGY_IMPORT").value > before
