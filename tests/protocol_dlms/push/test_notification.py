"""Headers of data-notification and event-notification-request, and bodies without tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import Data, DataType, axdr
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.notification import parse_data_notification, parse_event_notification
from tests.protocol_dlms.push import apdus

TIME = bytes.fromhex("07ea0110050e1e0aff800000")
BODY = Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 5),))
# Two values of the Czech XT211: a text and a number. Built after the reference, the figures are made up.
UNTAGGED = bytes.fromhex(
    "0202 1601 01020202 0001 0000600100ff 02 0903 3132330202 0003 0100010700ff 02 06000001f4"
)


def notify(time: str, body: bytes = axdr.encode(BODY), invoke_id: str = "40000007") -> bytes:
    return bytes.fromhex("0f" + invoke_id + time) + body


@pytest.mark.parametrize(
    ("head", "time", "tagged"),
    [
        ("00", b"", False),
        ("0c" + TIME.hex(), TIME, False),
        ("090c" + TIME.hex(), TIME, True),
        ("05" + TIME[:5].hex(), TIME[:5], False),
        ("040e1e0aff", bytes.fromhex("0e1e0aff"), False),
        ("0900", b"", True),
    ],
    ids=["absent", "date-time", "tagged", "date", "time", "tagged-absent"],
)
def test_forms_of_the_time(head: str, time: bytes, tagged: bool) -> None:
    parsed = parse_data_notification(notify(head))
    assert parsed.time == time
    assert parsed.time_is_tagged == tagged
    assert parsed.body == BODY


def test_the_invoke_id() -> None:
    parsed = parse_data_notification(notify("00", invoke_id="c0123456"))
    assert parsed.long_invoke_id_and_priority == 0xC0123456
    assert parsed.number == 0x123456
    assert parsed.is_confirmed
    assert not parse_data_notification(notify("00", invoke_id="80000001")).is_confirmed


@pytest.mark.parametrize(
    "apdu",
    [
        b"\x0f",
        notify("")[:5],
        notify("00", b""),
        notify("03" + "000000"),
        notify("0d" + "00" * 13),
        notify("0909" + "00" * 9),
        notify("0c" + TIME.hex(), b"")[:-1],
        notify("00") + b"\0",
        notify("00")[:-1],
        notify("00", bytes.fromhex("020106090900")),
        notify("00", b"\x02\x01" * 20 + b"\0"),
        notify("00", b"\x63"),
    ],
    ids=[
        "tag",
        "no-time",
        "no-body",
        "time-of-3",
        "time-of-13",
        "time-of-9",
        "time-cut",
        "more",
        "cut",
        "swapped-tag-and-length",
        "deep",
        "unknown-type",
    ],
)
def test_malformed_notifications(apdu: bytes) -> None:
    with pytest.raises(PushError) as info:
        parse_data_notification(apdu)
    assert info.value.kind is PushFault.MALFORMED
    assert info.value.octets == apdu


def test_other_apdus() -> None:
    for parse in (parse_data_notification, parse_event_notification):
        for apdu in (b"", b"\xdb\0", b"/"):
            with pytest.raises(PushError) as info:
                parse(apdu)
            assert info.value.kind is PushFault.UNKNOWN_FORM


def test_events() -> None:
    event = parse_event_notification(apdus.MX382_LAST_GASP)
    assert event.time == bytes.fromhex("07e70706040a362600ff8880")
    assert event.attribute == (1, bytes.fromhex("808080808000"), 2)
    assert event.value == Data(DataType.OCTET_STRING, b"KA6P005039021110")
    without = b"\xc2\0" + apdus.MX382_LAST_GASP[15:]
    assert parse_event_notification(without) == event._replace(time=b"")
    standard = b"\xc2\x01" + apdus.MX382_LAST_GASP[2:]
    assert parse_event_notification(standard) == event


@pytest.mark.parametrize("change", ["cut", "more", "usage", "length"])
def test_malformed_events(change: str) -> None:
    apdu = apdus.MX382_LAST_GASP
    broken = {
        "cut": apdu[:-1],
        "more": apdu + b"\0",
        "usage": b"\xc2\x02" + apdu[2:],
        "length": b"\xc2\x09\x0b" + apdu[3:],
    }[change]
    with pytest.raises(PushError) as info:
        parse_event_notification(broken)
    assert info.value.kind is PushFault.MALFORMED


def test_bodies_without_tags() -> None:
    number, entries = parse_data_notification(notify("00", UNTAGGED)).body.value  # type: ignore[misc]
    assert number == Data(DataType.ENUM, 1)
    assert entries.type is DataType.ARRAY
    assert entries.native == (
        (1, bytes.fromhex("0000600100ff"), 2, b"123"),
        (3, bytes.fromhex("0100010700ff"), 2, 500),
    )
    types = (DataType.LONG_UNSIGNED, DataType.OCTET_STRING, DataType.INTEGER)
    for entry in entries.value:
        assert tuple(member.type for member in entry.value[:3]) == types


def test_a_count_of_two_octets() -> None:
    longer = UNTAGGED[:5] + b"\x81" + UNTAGGED[5:]
    parsed = parse_data_notification(notify("00", longer))
    assert parsed.body == parse_data_notification(notify("00", UNTAGGED)).body


@given(st.integers(0, len(UNTAGGED) - 1))
def test_bodies_without_tags_cut_short(length: int) -> None:
    with pytest.raises(PushError):
        parse_data_notification(notify("00", UNTAGGED[:length]))


@pytest.mark.parametrize(
    "body",
    [UNTAGGED + b"\0", UNTAGGED[:5] + b"\x01" + UNTAGGED[6:], UNTAGGED[:5] + b"\x7f" + UNTAGGED[6:]],
    ids=["more", "count-too-small", "count-too-large"],
)
def test_malformed_bodies_without_tags(body: bytes) -> None:
    with pytest.raises(PushError) as info:
        parse_data_notification(notify("00", body))
    assert info.value.kind is PushFault.MALFORMED


def test_true_data_that_look_similar_stay_what_they_are() -> None:
    data = Data(
        DataType.STRUCTURE,
        (
            Data(DataType.ENUM, 1),
            Data(DataType.ARRAY, (Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 0), BODY)),)),
        ),
    )
    assert parse_data_notification(notify("00", axdr.encode(data))).body == data


def test_elements_are_limited_by_the_octets() -> None:
    """A compact array of a structure of nothing and one octet makes many elements of each octet."""
    nothings = 500
    description = bytes.fromhex("02 82") + (nothings + 1).to_bytes(2, "big") + b"\0" * nothings + b"\x11"
    contents = bytes(500)
    body = b"\x13" + description + axdr.encode_length(len(contents)) + contents
    with pytest.raises(PushError, match="more elements than may be made of 1009 octets"):
        parse_data_notification(notify("00", body))
    value = b"\0\0\0\x01\x01\0\0\x01\x08\0\xff\x02" + body
    untagged = bytes.fromhex("020216010101") + b"\x02\x02" + value[2:]
    with pytest.raises(PushError, match="malformed"):
        parse_data_notification(notify("00", untagged))


def test_the_limit_of_elements_is_for_all_values_together() -> None:
    """Each value alone would be within it."""
    nothings = 60
    array = b"\x13\x02" + bytes((nothings + 1,)) + b"\0" * nothings + b"\x11" + b"\x0a" + bytes(10)
    entry = bytes.fromhex("0202 0001 0000600100ff 02") + array
    once = bytes.fromhex("020216010101") + entry
    head = bytes.fromhex("0202160101")
    with pytest.raises(PushError, match="elements"):
        parse_data_notification(notify("00", head + b"\x03" + 3 * entry))
    with pytest.raises(PushError, match="elements"):
        parse_data_notification(notify("00", once))
