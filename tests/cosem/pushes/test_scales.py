"""Scales of known lists, and values that stay raw."""

import pytest

from osgp.cosem.pushes import ScaleSource
from osgp.protocol_dlms import Data, DataType
from tests.cosem.pushes.building import (
    array,
    decode_values,
    entry,
    name,
    octets,
    say,
    scale,
    structure,
    text,
    u16,
    u32,
)


def kamstrup(*pairs: tuple[str, Data]) -> dict[str | None, str | int | None]:
    elements = [element for dotted, value in pairs for element in (name(dotted), value)]
    push = decode_values(structure(text("Kamstrup_V0001"), *elements))
    return dict(map(say, push.values))


def listed(setup: str, *pairs: tuple[str, Data]) -> dict[str | None, str | int | None]:
    entries = [entry(3, dotted) for dotted, _ in pairs]
    push = decode_values(structure(array(entry(40, setup), *entries), *(value for _, value in pairs)))
    return dict(map(say, push.values))


@pytest.mark.parametrize(
    ("dotted", "value", "meant"),
    [
        ("1.1.1.7.0", u32(1234), "1234 W"),
        ("1.1.3.7.0", u32(12), "12 var"),
        ("1.1.9.7.0", u32(12), "12 VA"),
        ("1.1.21.7.0", u32(12), "12 W"),
        ("1.1.1.8.0", u32(1234567), "12345670 Wh"),
        ("1.1.1.8.2", u32(1), "10 Wh"),
        ("1.1.4.8.0", u32(3), "30 varh"),
        ("1.1.31.7.0", u32(537), "5.37 A"),
        ("1.1.72.7.0", u16(231), "231 V"),
        ("1.1.13.7.0", u16(98), "0.98"),
        ("1.1.73.7.0", u16(100), "1.00"),
        ("1.1.2.8.0", Data(DataType.LONG64_UNSIGNED, 2**63), f"{2**63}0 Wh"),
        ("1.1.1.7.0", Data(DataType.DOUBLE_LONG, -5), "-5 W"),
    ],
)
def test_kamstrup(dotted: str, value: Data, meant: str) -> None:
    assert list(kamstrup((dotted, value)).values()) == [meant]


@pytest.mark.parametrize(
    ("dotted", "value", "raw"),
    [
        ("1.1.32.7.0", u16(23012), 23012),
        ("0.1.1.7.0", u32(5), 5),
        ("1.1.81.7.4", u16(120), 120),
        ("1.1.1.29.0", u32(5), 5),
        ("1.1.1.7.0", Data(DataType.ENUM, 5), 5),
        ("1.1.1.7.0", Data(DataType.BOOLEAN, True), True),
        ("1.1.1.7.0", Data(DataType.NULL_DATA, None), None),
    ],
    ids=["voltage-in-hundredths", "no-electricity", "angle", "interval", "enum", "boolean", "nothing"],
)
def test_kamstrup_raw(dotted: str, value: Data, raw: object) -> None:
    assert list(kamstrup((dotted, value)).values()) == [raw]


@pytest.mark.parametrize(("kind", "meant"), [("6850000000000000", "0.537 A"), ("6841000000000000", "5.37 A")])
def test_kamstrup_on_current_transformers(kind: str, meant: str) -> None:
    told = kamstrup(("1.1.31.7.0", u32(537)), ("1.1.96.1.1", text(kind)))
    assert told["1-1:31.7.0.255"] == meant


def test_landis_gyr() -> None:
    """Two models send the same list with currents of 0.01 A and of 1 A."""
    pairs = (
        ("1.0.1.7.0", u32(5)),
        ("1.1.1.8.0", u32(5)),
        ("1.0.32.7.0", u16(234)),
        ("1.0.31.7.0", u16(400)),
        ("1.0.13.7.0", u16(998)),
    )
    assert list(listed("0.8.25.9.0", *pairs).values()) == ["5 W", "5 Wh", "234 V", 400, "0.998"]


def test_iskraemeco() -> None:
    pairs = (
        ("1.0.1.7.0", u32(5)),
        ("1.0.1.8.0", u32(5)),
        ("1.0.72.7.0", u16(2345)),
        ("1.0.52.7.0", u16(23450)),
        ("1.0.31.7.0", u16(63)),
        ("1.0.13.7.0", u16(998)),
    )
    expected = ["5 W", "5 Wh", "234.5 V", 23450, "0.63 A", "0.998"]
    assert list(listed("0.6.25.9.0", *pairs).values()) == expected


def test_other_lists_stay_raw() -> None:
    assert list(listed("0.4.25.9.0", ("1.0.1.8.0", u32(5))).values()) == [5]
    push = decode_values(structure(text("EMBRIQ_V1_1"), name("1.0.1.8.0"), u32(5)))
    assert [(value.scaler, value.unit, value.scale_source) for value in push.values] == [(None, None, None)]


def test_the_message_goes_first() -> None:
    body = structure(text("Kamstrup_V0001"), name("1.1.1.8.0"), u32(5), scale(0, 30))
    [value] = decode_values(body).values
    assert say(value)[1] == "5 Wh"
    assert value.scale_source is ScaleSource.MESSAGE


def test_only_the_value_of_a_register_has_its_scale() -> None:
    entries = (entry(40, "0.8.25.9.0"), entry(4, "1.0.1.8.0", 4), entry(7, "1.0.1.8.0", 2, 3))
    push = decode_values(structure(array(*entries), u32(5), u32(5)))
    assert [value.quantity for value in push.values] == [None, None]


def test_texts_have_no_scale() -> None:
    push = decode_values(structure(text("Kamstrup_V0001"), name("1.1.1.7.0"), octets(b"5")))
    assert push.values[0].quantity is None
