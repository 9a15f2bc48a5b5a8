"""The layouts of bodies, and the traps in them: lengths that mislead, lists that do not fit."""

import pytest

from osgp.catalogue.units import Unit
from osgp.cosem.pushes import Layout, ScaleSource, UnknownPush, ValuesPush, decode
from osgp.protocol_dlms import Data, DataType
from tests.cosem.pushes.building import (
    CLOCK,
    WINTER,
    array,
    decode_values,
    entry,
    name,
    notify,
    octets,
    say,
    scale,
    structure,
    text,
    u16,
    u32,
)
from tests.protocol_dlms.push.test_notification import UNTAGGED

IMPORT = "1.0.1.8.0"
LISTED = "1-0:1.8.0.255"
DIGITS = octets(b"123456")  # as long as a logical name
LONG_DIGITS = octets(b"123456789012")  # as long as a date-time


def told(body: Data) -> list[tuple[str | None, str | int | None]]:
    return [say(value) for value in decode_values(body).values]


def unknown(body: Data) -> None:
    push = decode(notify(body))
    assert isinstance(push, UnknownPush), push
    assert push.data == body


# Pairs, triples, nested


def test_pairs_without_a_name_of_the_list() -> None:
    push = decode_values(structure(name(IMPORT), u32(5), name("1.0.2.8.0"), u32(6)))
    assert (push.layout, push.list_name) == (Layout.PAIRS, None)
    assert [say(value) for value in push.values] == [(LISTED, 5), ("1-0:2.8.0.255", 6)]


def test_pairs_after_a_clock() -> None:
    clock = bytes.fromhex("07ea0716040e1e1900ff8880")
    push = decode_values(structure(octets(clock), name(IMPORT), u32(5)))
    assert push.layout is Layout.PAIRS
    assert [say(value) for value in push.values] == [(CLOCK, clock.hex()), (LISTED, 5)]
    assert push.time is not None
    assert push.time.isoformat() == "2026-07-22T12:30:25+00:00"
    assert push.built_at is None


def test_values_as_long_as_names_and_clocks() -> None:
    body = structure(
        name("0.0.96.1.1"), DIGITS, name("0.0.96.1.0"), LONG_DIGITS, name("0.0.96.13.0"), octets(b"")
    )
    push = decode_values(body)
    assert [value.value for value in push.values] == [DIGITS, LONG_DIGITS, octets(b"")]
    assert [value.obis for value in push.values] == ["0-0:96.1.1.255", "0-0:96.1.0.255", "0-0:96.13.0.255"]
    assert push.identification == "123456789012"
    assert push.time is None


@pytest.mark.parametrize("identification", [DIGITS, LONG_DIGITS], ids=["6", "12"])
def test_an_identification_at_the_end(identification: Data) -> None:
    push = decode_values(structure(octets(WINTER), name(IMPORT), u32(5), scale(0, 30), identification))
    assert push.layout is Layout.TRIPLES
    assert push.identification == identification.value.decode()  # type: ignore[attr-defined]
    assert push.values[-1].obis is None


def test_a_list_name_as_long_as_a_clock() -> None:
    push = decode_values(structure(octets(b"ABCDEFGHIJKL"), name(IMPORT), u32(5)))
    assert (push.list_name, push.time) == ("ABCDEFGHIJKL", None)


def test_octets_as_long_as_a_clock_that_are_none() -> None:
    for position, octet in ((0, 0x00), (2, 13), (3, 32), (5, 24), (6, 60)):
        wrong = bytearray(WINTER)
        wrong[position] = octet
        unknown(structure(octets(bytes(wrong)), name(IMPORT), u32(5)))


@pytest.mark.parametrize("padding", ["  ", "\0\0"], ids=["blanks", "zeros"])
def test_identifications_are_told_without_padding(padding: str) -> None:
    padded = octets(f"X1{padding}".encode())
    push = decode_values(structure(name("0.0.96.1.0"), padded, name(IMPORT), u32(5)))
    assert push.identification == "X1"
    assert push.values[0].value == padded


def test_triples_with_and_without_scale() -> None:
    body = structure(octets(WINTER), name(IMPORT), u32(5), scale(3, 30), name("0.0.96.13.0"), octets(b""))
    assert told(body)[1:] == [(LISTED, "5000 Wh"), ("0-0:96.13.0.255", "")]


@pytest.mark.parametrize("wrong", [scale(0, 200), scale(100, 30)], ids=["unknown-unit", "impossible-scaler"])
def test_scales_that_do_not_exist_leave_the_value_raw(wrong: Data) -> None:
    push = decode_values(structure(octets(WINTER), name(IMPORT), u32(5), wrong))
    assert push.values[1].quantity is None
    assert push.values[1].number == 5


@pytest.mark.parametrize("outer", [structure, array], ids=["structure", "array"])
def test_nested(outer: object) -> None:
    assert callable(outer)
    push = decode_values(
        outer(structure(name(IMPORT), u32(5), scale(1, 30)), structure(name("0.0.96.1.0"), text("X1")))
    )
    assert push.layout is Layout.NESTED
    assert [say(value) for value in push.values] == [(LISTED, "50 Wh"), ("0-0:96.1.0.255", "X1")]
    assert push.values[0].scale_source is ScaleSource.MESSAGE


def test_nested_after_a_bare_clock() -> None:
    clock = bytes.fromhex("07ea0716040e1e1900ff8880")
    push = decode_values(
        structure(name("0.0.1.0.0"), octets(clock), structure(name(IMPORT), u32(5), scale(0, 30)))
    )
    assert push.layout is Layout.NESTED
    assert [say(value) for value in push.values] == [(CLOCK, clock.hex()), (LISTED, "5 Wh")]
    assert push.time is not None


def test_a_single_nested_power() -> None:
    assert told(array(structure(name("1.0.1.7.0"), u32(250), scale(0, 27)))) == [("1-0:1.7.0.255", "250 W")]


@pytest.mark.parametrize(
    "body",
    [
        structure(name(IMPORT)),
        structure(name(IMPORT), u32(5), name("1.0.2.8.0")),
        structure(name(IMPORT), u32(5), u32(6)),
        structure(name(IMPORT), u32(5), u32(6), u32(7)),
        structure(name(IMPORT), u32(5), scale(0, 30), scale(0, 30)),
        structure(octets(WINTER)),
        structure(octets(WINTER), octets(WINTER)),
        structure(text("LIST"), text("LIST"), name(IMPORT), u32(5)),
        structure(structure(name(IMPORT), u32(5), u32(0))),
        structure(structure(name(IMPORT), u32(5)), structure(u32(5), u32(5))),
        structure(structure(name(IMPORT))),
        array(),
        structure(),
        u32(5),
        octets(b""),
    ],
    ids=[
        "name-alone",
        "name-at-the-end",
        "number-at-the-end",
        "two-numbers",
        "two-scales",
        "clock-alone",
        "clocks",
        "two-texts",
        "nested-no-scale",
        "nested-no-name",
        "nested-name-alone",
        "empty-array",
        "empty-structure",
        "number",
        "text",
    ],
)
def test_what_fits_by_half_is_kept_as_data(body: Data) -> None:
    unknown(body)


# Own list


def own_list(*entries: Data, values: tuple[Data, ...], position: int = 0) -> Data:
    listed = array(*entries)
    return structure(*values[:position], listed, *values[position:])


def test_an_own_list_in_second_place() -> None:
    """Logical device name first, then the list: so we set it ourselves."""
    body = own_list(
        entry(1, "0.0.42.0.0"),
        entry(40, "0.1.25.9.0"),
        entry(3, IMPORT),
        values=(octets(b"MMM0000012345678"), u32(5)),
        position=1,
    )
    push = decode_values(body)
    assert push.layout is Layout.OWN_LIST
    assert push.identification == "MMM0000012345678"
    assert push.list_name == "0-1:25.9.0.255"
    assert [say(value) for value in push.values] == [("0-0:42.0.0.255", "MMM0000012345678"), (LISTED, 5)]
    assert push.values[1].scaler is None


def test_entries_of_later_versions() -> None:
    restriction = structure(Data(DataType.ENUM, 0), Data(DataType.NULL_DATA, None))
    body = own_list(
        entry(40, "0.0.25.9.0", 2, 0, restriction, array()),
        entry(3, IMPORT, 2, 0, restriction, array()),
        entry(7, "1.0.99.1.0", 2, 4, restriction),
        values=(u32(5), array(structure(octets(WINTER), u32(1)))),
    )
    push = decode_values(body)
    assert [(value.class_id, value.obis, value.data_index) for value in push.values] == [
        (3, LISTED, 0),
        (7, "1-0:99.1.0.255", 4),
    ]


def test_a_scale_that_is_listed_as_well() -> None:
    body = own_list(
        entry(40, "0.0.25.9.0"),
        entry(3, IMPORT),
        entry(3, IMPORT, 3),
        entry(3, IMPORT, 1),
        entry(1, IMPORT),
        values=(u32(5), scale(2, 30), octets(b"X"), u32(5)),
    )
    push = decode_values(body)
    assert say(push.values[0]) == (LISTED, "500 Wh")
    assert push.values[0].scale_source is ScaleSource.MESSAGE
    assert {value.scaler for value in push.values[1:]} == {None}


def test_the_first_of_several_clocks_counts() -> None:
    first, second = (bytes.fromhex(f"07ea0716040e{minute}1900ff8880") for minute in ("1e", "2d"))
    body = own_list(
        entry(40, "0.0.25.9.0"),
        entry(8, "0.0.1.0.0"),
        entry(8, "0.0.1.0.0", 3),
        entry(8, "0.0.1.0.0"),
        values=(octets(first), Data(DataType.LONG, -60), octets(second)),
    )
    push = decode_values(body)
    assert push.time is not None
    assert push.time.isoformat() == "2026-07-22T12:30:25+00:00"


def test_when_values_were_read_and_when_the_push_was_built() -> None:
    clock, header = (bytes.fromhex(f"07ea0716040e1e{second}00ff8880") for second in ("19", "1a"))
    body = own_list(
        entry(40, "0.0.25.9.0"),
        entry(8, "0.0.1.0.0"),
        entry(1, "1.1.0.2.129"),
        values=(octets(clock), text("AIDON_V0001")),
    )
    push = decode_values(body, header)
    assert push.time is not None
    assert push.built_at is not None
    assert (push.time.second, push.built_at.second) == (25, 26)
    assert push.list_name == "0-0:25.9.0.255"


def test_all_attributes_of_an_object_stay_one_value() -> None:
    register = structure(name(IMPORT), u32(5), scale(0, 30))
    push = decode_values(own_list(entry(40, "0.8.25.9.0"), entry(3, IMPORT, 0), values=(register,)))
    assert [(value.attribute, value.value, value.scaler) for value in push.values] == [(0, register, None)]


@pytest.mark.parametrize(
    "body",
    [
        own_list(entry(40, "0.8.25.9.0"), entry(3, IMPORT), values=()),
        own_list(entry(40, "0.8.25.9.0"), entry(3, IMPORT), values=(u32(5), u32(6))),
        own_list(entry(3, "1.0.2.8.0"), entry(3, IMPORT), values=(u32(5),)),
        own_list(entry(3, IMPORT), entry(40, "0.8.25.9.0"), values=(u32(5),)),
        own_list(entry(40, "0.8.25.9.0", 1), entry(3, IMPORT), values=(u32(5),)),
        own_list(entry(40, "0.8.25.9.0"), structure(u16(3), name(IMPORT)), values=(u32(5),)),
        own_list(entry(40, "0.8.25.9.0"), structure(*[u16(3)] * 4), values=(u32(5),)),
        own_list(entry(40, "0.8.25.9.0"), entry(3, "1.0.2.8"), values=(u32(5),)),
    ],
    ids=["too-few", "too-many", "not-itself", "wrong-place", "only-its-name", "no-entry", "types", "name"],
)
def test_lists_that_do_not_fit_their_values(body: Data) -> None:
    """A value would be given to the wrong object."""
    unknown(body)


# Named list, rows


def test_a_named_list() -> None:
    bits = Data(DataType.BIT_STRING, "1" * 128)
    push = decode_values(structure(text("X0000001"), name("0.4.25.9.0"), octets(WINTER), bits))
    assert push.layout is Layout.NAMED_LIST
    assert (push.identification, push.list_name) == ("X0000001", "0-4:25.9.0.255")
    assert [value.value for value in push.values] == [octets(WINTER), bits]
    assert push.time is None


def test_rows_without_a_name_of_the_list() -> None:
    row = structure(octets(bytes.fromhex("07ea0716040e1e1900ff8880")), u32(5))
    push = decode_values(structure(octets(b"MMM0000012345678"), array(row, row)))
    assert push.layout is Layout.ROWS
    assert (push.identification, push.list_name, push.values) == ("MMM0000012345678", None, ())
    assert [row.cells[1] for row in push.rows] == [u32(5), u32(5)]
    assert push.rows[0].time is not None


def test_rows_beside_other_values() -> None:
    rows = array(structure(octets(WINTER), u32(5)))
    push = decode_values(structure(octets(b"METER1"), name("0.5.25.9.0"), u32(900), rows))
    assert push.layout is Layout.ROWS
    assert [value.value for value in push.values] == [u32(900)]
    assert [row.cells for row in push.rows] == [(octets(WINTER), u32(5))]


@pytest.mark.parametrize(
    "rows",
    [
        array(),
        array(structure(u32(1), octets(WINTER))),
        array(structure(Data(DataType.NULL_DATA, None), u32(5))),
        array(structure(octets(WINTER), u32(5)), structure(LONG_DIGITS, u32(5))),
        array(structure(octets(WINTER), u32(5)), u32(5)),
        array(structure(octets(WINTER))),
    ],
    ids=["none", "clock-second", "no-clock", "clock-then-text", "no-row", "clock-alone"],
)
def test_arrays_that_are_no_rows(rows: Data) -> None:
    push = decode_values(structure(octets(b"METER1"), name("0.5.25.9.0"), rows))
    assert push.layout is Layout.NAMED_LIST
    assert [value.value for value in push.values] == [rows]
    unknown(structure(octets(b"METER1"), rows))


def test_rows_beside_other_values_need_a_name_of_the_list() -> None:
    unknown(structure(octets(b"METER1"), u32(900), array(structure(octets(WINTER), u32(5)))))


def test_two_buffers_are_not_told_apart() -> None:
    rows = array(structure(octets(WINTER), u32(5)))
    push = decode_values(structure(octets(b"METER1"), name("0.5.25.9.0"), rows, rows))
    assert (push.rows, len(push.values)) == ((), 2)


# Without tags


def test_values_without_tags() -> None:
    push = decode(bytes.fromhex("0f4000000100") + UNTAGGED)
    assert isinstance(push, ValuesPush)
    assert push.layout is Layout.UNTAGGED
    assert push.identification == "123"
    assert [(value.class_id, value.attribute, *say(value)) for value in push.values] == [
        (1, 2, "0-0:96.1.0.255", "123"),
        (3, 2, "1-0:1.7.0.255", 500),
    ]


@pytest.mark.parametrize("length", [0, 5, 7])
def test_descriptors_without_a_logical_name(length: int) -> None:
    """Sound data of the same shape, of a sender that is no such meter."""
    integer = Data(DataType.INTEGER, 2)
    unknown(
        structure(Data(DataType.ENUM, 1), array(structure(u16(3), octets(bytes(length)), integer, u32(5))))
    )
    unknown(
        structure(
            array(entry(40, "0.8.25.9.0"), structure(u16(3), octets(bytes(length)), integer, u16(0))), u32(5)
        )
    )


# Positions

KAIFA_HEAD = (octets(b"KFM_001"), octets(b"1234567890123456"), octets(b"MA304T4"))
ENERGIES = (octets(WINTER), u32(100), u32(200), u32(300), u32(400))
KAIFA_NAMES = ["1-1:0.2.129.255", "0-0:96.1.0.255", "0-0:96.1.7.255"]
POWERS = ["1-0:1.7.0.255", "1-0:2.7.0.255", "1-0:3.7.0.255", "1-0:4.7.0.255"]
REGISTERS = [LISTED, "1-0:2.8.0.255", "1-0:3.8.0.255", "1-0:4.8.0.255"]


def test_kaifa_with_one_phase_and_energies() -> None:
    body = structure(*KAIFA_HEAD, *map(u32, (1, 2, 3, 4, 5000, 2301)), *ENERGIES)
    push = decode_values(body)
    names = [*KAIFA_NAMES, *POWERS, "1-0:31.7.0.255", "1-0:32.7.0.255", CLOCK, *REGISTERS]
    assert [value.obis for value in push.values] == names
    assert say(push.values[7])[1] == "5.000 A"
    assert say(push.values[8])[1] == "230.1 V"
    assert [say(value)[1] for value in push.values[10:]] == ["100 Wh", "200 Wh", "300 varh", "400 varh"]


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_kaifa_in_sweden_with_three_phases_and_energies_of_64_bits(signed: bool) -> None:
    wide = DataType.LONG64 if signed else DataType.LONG64_UNSIGNED
    energies = (octets(WINTER), *(Data(wide, number) for number in (2**33, 0, 0, 7)))
    push = decode_values(structure(*KAIFA_HEAD, *map(u32, range(10)), *energies))
    assert [value.obis for value in push.values[-5:]] == [CLOCK, *REGISTERS]
    assert say(push.values[-4])[1] == f"{2**33} Wh"


def test_the_short_list_of_kaifa_is_told_by_its_header() -> None:
    push = decode_values(structure(u32(250)), WINTER, tagged=True)
    assert [say(value) for value in push.values] == [("1-0:1.7.0.255", "250 W")]
    assert isinstance(decode(notify(structure(u32(250)), WINTER)), UnknownPush)
    assert isinstance(decode(notify(structure(u16(250)), WINTER, tagged=True)), UnknownPush)


def test_the_list_of_vienna() -> None:
    push = decode_values(structure(octets(WINTER), *map(u32, range(1, 9))))
    assert [value.obis for value in push.values] == [CLOCK, *REGISTERS, *POWERS]
    assert [value.number for value in push.values[1:]] == list(range(1, 9))
    assert {value.scaler for value in push.values} == {None}


def test_the_list_of_burgenland() -> None:
    push = decode_values(structure(*map(u16, range(6)), *map(u32, range(4)), octets(b"1LGZ1234")))
    assert [value.obis for value in push.values] == [
        *("1-0:32.7.0.255", "1-0:52.7.0.255", "1-0:72.7.0.255"),
        *("1-0:31.7.0.255", "1-0:51.7.0.255", "1-0:71.7.0.255"),
        *POWERS[:2],
        *REGISTERS[:2],
        "0-0:96.1.0.255",
    ]
    assert push.identification == "1LGZ1234"


@pytest.mark.parametrize(
    "body",
    [
        structure(octets(b"ABC_001"), *KAIFA_HEAD[1:], *map(u32, range(10))),
        structure(*KAIFA_HEAD, *map(u32, range(11))),
        structure(*KAIFA_HEAD, *map(u32, range(9)), octets(b"x")),
        structure(*KAIFA_HEAD, *map(u32, range(10)), LONG_DIGITS, *ENERGIES[1:]),
        structure(LONG_DIGITS, *map(u32, range(8))),
        structure(octets(WINTER), *map(u32, range(7))),
        structure(*map(u32, range(12))),
    ],
    ids=["other-name", "eleven", "text-for-a-voltage", "text-for-a-clock", "no-clock", "eight", "twelve"],
)
def test_lists_that_are_not_known_are_kept_as_data(body: Data) -> None:
    unknown(body)


def test_units_are_those_of_the_catalogue() -> None:
    push = decode_values(array(structure(name("1.0.13.7.0"), u32(987), scale(-3, 255))))
    assert push.values[0].unit is Unit.COUNT
