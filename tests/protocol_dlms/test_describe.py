"""APDUs in words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osgp.protocol_dlms import Data, DataType, Direction, TraceRecord, axdr
from osgp.protocol_dlms.describe import Describer, Description
from osgp.protocol_dlms.describe.text import LONGEST_TEXT
from tests.protocol_dlms.peers import aare, initiate_response, tlv
from tests.protocol_dlms.test_services import CLOCK_HEX, ENERGY_HEX

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENERGY_NAME = "3/1-0:1.8.0.255/2 ENERGY value"
CLOCK_NAME = "8/0-0:1.0.0.255/2 CLOCK time"
LOGIN = "15/0-0:40.0.0.255/method 1 reply_to_hls_authentication"
NAMES = {bytes((1, 0, 1, 8, 0, 255)): "ENERGY", bytes((0, 0, 1, 0, 0, 255)): "CLOCK"}


def describer() -> Describer:
    return Describer(lambda name: NAMES.get(name, ""))


def record(apdu: str | bytes, *hidden: tuple[int, int]) -> TraceRecord:
    octets = bytes.fromhex(apdu) if isinstance(apdu, str) else apdu
    return TraceRecord(Direction.SENT, octets, AT, hidden)


def said(*apdus: str | bytes) -> Description:
    """What the last of these says, those before it being known."""
    who = describer()
    return [who.describe(record(apdu)) for apdu in apdus][-1]


GET = f"c001c1{ENERGY_HEX}00"
SET = f"c101c1{ENERGY_HEX}001200ff"
GET_LIST = f"c003c102{ENERGY_HEX}00{CLOCK_HEX}00"
TIME = "07ea031dff021e00ffff8880"


@pytest.mark.parametrize(
    ("apdus", "service", "text"),
    [
        ([GET], "get-request-normal", ENERGY_NAME),
        ([GET, "c401c1000600003039"], "get-response-normal", f"{ENERGY_NAME}: double-long-unsigned 12345"),
        ([GET, "c401c10104"], "get-response-normal", f"{ENERGY_NAME}: object-undefined"),
        ([GET, "c401c101f0"], "get-response-normal", f"{ENERGY_NAME}: result 240"),
        ([GET_LIST], "get-request-with-list", f"{ENERGY_NAME}\n{CLOCK_NAME}"),
        (
            [GET_LIST, "c403c102" + "000600003039" + "0103"],
            "get-response-with-list",
            f"{ENERGY_NAME}: double-long-unsigned 12345\n{CLOCK_NAME}: read-write-denied",
        ),
        (["c002c100000007"], "get-request-next", "block 7 received, the next one please"),
        (
            [SET],
            "set-request-normal",
            f"{ENERGY_NAME}\nlong-unsigned 255",
        ),
        ([SET, "c501c103"], "set-response-normal", f"{ENERGY_NAME}: read-write-denied"),
        (
            [f"c104c102{ENERGY_HEX}00{CLOCK_HEX}0002110711ff"],
            "set-request-with-list",
            f"{ENERGY_NAME}: unsigned 7\n{CLOCK_NAME}: unsigned 255",
        ),
        (
            [f"c104c102{ENERGY_HEX}00{CLOCK_HEX}0002110711ff", "c505c1020003"],
            "set-response-with-list",
            f"{ENERGY_NAME}: success\n{CLOCK_NAME}: read-write-denied",
        ),
        (
            ["c301c1000301000108" + "00ff01" + "010f00"],
            "action-request-normal",
            "3/1-0:1.8.0.255/method 1 ENERGY reset\ninteger 0",
        ),
        (
            ["c301c1000301000108" + "00ff01" + "00", "c701c1000100" + "1101"],
            "action-response-normal",
            "3/1-0:1.8.0.255/method 1 ENERGY reset: success\nreturns unsigned 1",
        ),
        (["c704c100000002"], "action-response-next-pblock", "block 2 received, the next one please"),
        (
            ["d80201"],
            "exception-response",
            "state error: service-unknown (2)\nservice error: operation-not-possible (1)",
        ),
        (
            ["d8010600000005"],
            "exception-response",
            "state error: service-not-allowed (1)\nservice error: invocation-counter-error (6)\n"
            "the meter expects an invocation counter of at least 5",
        ),
        (
            ["d80106"],
            "exception-response",
            "state error: service-not-allowed (1)\nservice error: invocation-counter-error (6)",
        ),
        (
            ["0e010603"],
            "confirmed-service-error",
            "confirmed-service-error: initiate-error (1), initiate (6): pdu-size-too-short (3)",
        ),
        (["6203800100"], "RLRQ", "reason: normal"),
        (["6303800101"], "RLRE", "reason: urgent (or not finished)"),
        (["6200"], "RLRQ", ""),
        (
            ["cc12300000000701020304" + "00" * 9],
            "glo-get-response",
            "ciphered, 18 octets: security control 30, invocation counter 7\nnot deciphered",
        ),
        (["db00"], "general-glo-ciphering", "db00"),
        (["99aa"], "unknown (99)", "99aa"),
        ([b""], "empty", "malformed (the answer is cut short): "),
        ([GET[:-4]], "get-request-normal", f"malformed (the answer is cut short): {GET[:-4]}"),
        ([GET, "c401c100"], "get-response-normal", "malformed (no data): c401c100"),
    ],
)
def test_services(apdus: list[str | bytes], service: str, text: str) -> None:
    assert said(*apdus) == Description(service, text)


def test_answers_without_their_requests() -> None:
    assert said("c401c1000600003039").text == "double-long-unsigned 12345"
    assert said("c501c100").text == "success"


def test_selective_access() -> None:
    text = said(f"c001c1{ENERGY_HEX}01" + "02020406" + "00000001" + "0600000000120001120000").text
    assert text.splitlines() == [
        ENERGY_NAME,
        "access selector 2: structure {double-long-unsigned 1, double-long-unsigned 0, long-unsigned 1, "
        "long-unsigned 0}",
    ]


# Data


def octets(text: str) -> Data:
    return Data(DataType.OCTET_STRING, bytes.fromhex(text))


def data_text(data: Data) -> str:
    return said("c401c100" + axdr.encode(data).hex()).text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (Data(DataType.NULL_DATA, None), "null-data"),
        (Data(DataType.BOOLEAN, True), "boolean true"),
        (Data(DataType.INTEGER, -3), "integer -3"),
        (Data(DataType.LONG64_UNSIGNED, 2**64 - 1), f"long64-unsigned {2**64 - 1}"),
        (Data(DataType.FLOAT32, 1.5), "float32 1.5"),
        (Data(DataType.BIT_STRING, "0110"), "bit-string 0110"),
        (Data(DataType.VISIBLE_STRING, 'a"b\n'), 'visible-string "a"b\\n"'),
        (Data(DataType.UTF8_STRING, "é"), 'utf8-string "\\xe9"'),
        (Data(DataType.OCTET_STRING, b""), "octet-string "),
        (Data(DataType.OCTET_STRING, b"\x00\x01"), "octet-string 0001"),
        (Data(DataType.OCTET_STRING, b"E0012"), 'octet-string 4530303132 ("E0012")'),
        (octets("0000010000ff"), "octet-string 0000010000ff (0-0:1.0.0.255 CLOCK)"),
        (octets("0000090000ff"), "octet-string 0000090000ff (0-0:9.0.0.255)"),
        (
            Data(DataType.OCTET_STRING, bytes.fromhex(TIME)),
            f"octet-string {TIME} (2026-03-29 02:30:00 UTC+02:00, daylight saving)",
        ),
        (
            Data(DataType.DATE_TIME, bytes.fromhex("07ea01fffe00ff00ff800001")),
            "date-time 07ea01fffe00ff00ff800001 (2026-01-* 00:*:00, deviation not specified, invalid)",
        ),
        (
            Data(DataType.DATE_TIME, bytes.fromhex("07ea010102000000ff012cff")),
            "date-time 07ea010102000000ff012cff (2026-01-01 00:00:00 UTC-05:00)",
        ),
        (Data(DataType.OCTET_STRING, b"\x00" * 12), "octet-string " + "00" * 12),
        (Data(DataType.OCTET_STRING, b"\x07\xea\x0d" + b"\x01" * 9), "octet-string 07ea0d" + "01" * 9),
        (Data(DataType.STRUCTURE, ()), "structure {}"),
        (
            Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -1), Data(DataType.ENUM, 30))),
            "structure {integer -1, enum 30}",
        ),
    ],
)
def test_data(data: Data, text: str) -> None:
    assert data_text(data) == text


def test_long_data_are_nested() -> None:
    row = Data(
        DataType.STRUCTURE, (Data(DataType.OCTET_STRING, bytes.fromhex(TIME)), Data(DataType.UNSIGNED, 0))
    )
    line = f"structure {{octet-string {TIME} (2026-03-29 02:30:00 UTC+02:00, daylight saving), unsigned 0}}"
    assert data_text(Data(DataType.ARRAY, (row, row))).splitlines() == ["array of 2", *[f"  {line}"] * 2]
    wide = Data(DataType.STRUCTURE, (*row.value, *row.value))  # type: ignore[misc]
    assert data_text(Data(DataType.ARRAY, (wide,))).splitlines()[:4] == [
        "array of 1",
        "  structure of 4",
        f"    octet-string {TIME} (2026-03-29 02:30:00 UTC+02:00, daylight saving)",
        "    unsigned 0",
    ]


def test_data_that_are_none() -> None:
    assert said(GET, "c401c10002020600").text == (
        f"{ENERGY_NAME}: no value (the data are cut short): 02020600"
    )
    assert said(GET, "c401c100" + "11ff" + "aabb").text.endswith(": unsigned 255\nfollowed by aabb")


# Blocks


def test_blocks_are_put_together() -> None:
    value = axdr.encode(Data(DataType.OCTET_STRING, b"0123456789")).hex()
    apdus = [GET, f"c402c100{1:08x}0006{value[:12]}", f"c002c1{1:08x}", f"c402c101{2:08x}0006{value[12:]}"]
    assert said(*apdus[:2]).text == "block 1: 6 octets"
    assert said(*apdus).text.splitlines() == [
        "block 2, the last: 6 octets",
        "together 12 octets:",
        f'{ENERGY_NAME}: octet-string 30313233343536373839 ("0123456789")',
    ]


def test_blocks_of_a_list_are_put_together() -> None:
    content = "02" + "000600003039" + "0103"
    apdus = [GET_LIST, f"c402c100{1:08x}0004{content[:8]}", f"c402c101{2:08x}0005{content[8:]}"]
    assert said(*apdus).text.splitlines()[2:] == [
        f"{ENERGY_NAME}: double-long-unsigned 12345",
        f"{CLOCK_NAME}: read-write-denied",
    ]


def test_blocks_that_are_sent_are_put_together() -> None:
    value = axdr.encode(Data(DataType.OCTET_STRING, b"0123456789")).hex()
    first = f"c102c1{ENERGY_HEX}0000{1:08x}06{value[:12]}"
    assert said(first).text.splitlines() == [ENERGY_NAME, "block 1: 6 octets"]
    assert said(first, f"c103c101{2:08x}06{value[12:]}").text.splitlines()[1:] == [
        "together 12 octets:",
        f'{ENERGY_NAME}: octet-string 30313233343536373839 ("0123456789")',
    ]
    assert said(first, f"c502c1{1:08x}").text == "block 1 received, the next one please"
    assert said(first, f"c503c100{2:08x}").text == f"{ENERGY_NAME}: success\nblock 2 received"
    action = f"c304c1{ENERGY_HEX[:-2]}0100{1:08x}06{value[:12]}"
    assert said(action).text.splitlines() == ["3/1-0:1.8.0.255/method 1 ENERGY reset", "block 1: 6 octets"]
    assert "together 12 octets:" in said(action, f"c306c101{2:08x}06{value[12:]}").text


def test_endless_blocks_take_no_memory() -> None:
    who = describer()
    who.describe(record(GET))
    block = b"\xc4\x02\xc1\x00" + bytes(4) + b"\x00\x82\xff\xff" + bytes(0xFFFF)
    for _ in range(4):
        assert who.describe(record(block)).text == "block 0: 65535 octets"
    assert len(who._blocks) <= 2 * 0xFFFF
    last = block[:3] + b"\x01" + block[4:]
    assert who.describe(record(last)).text.endswith("together too long to be shown")


# Associations


def test_association_response() -> None:
    answer = aare(initiate_response(), title=b"MTR\x00\x00\x00\x00\x07", stoc=b"stoc-challenge-1")
    assert said(answer) == (
        "AARE",
        "application context: logical names\n"
        "result: accepted (0)\n"
        "diagnostic of the service user: null (0)\n"
        "system title: 4d54520000000007\n"
        "ACSE requirements: authentication\n"
        "authentication mechanism: HLS GMAC\n"
        "authentication value: 16 octets, hidden\n"
        "DLMS version: 6\n"
        "negotiated conformance: priority-management, attribute0-with-get, block-transfer-with-get, "
        "multiple-references, get, set, selective-access, event-notification, action\n"
        "largest APDU that the server takes: 1024 octets\n"
        "VAA name: 0007",
    )


def test_rejections() -> None:
    answer = aare(None, result=b"\x02\x01\x01", diagnostic=b"\xa1\x03\x02\x01\x0d")
    assert said(answer).text.splitlines()[1:] == [
        "result: rejected-permanent (1)",
        "diagnostic of the service user: authentication-failure (13)",
    ]
    answer = aare(None, result=b"\x02\x01\x02", diagnostic=b"\xa2\x03\x02\x01\x02")
    assert said(answer).text.splitlines()[1:] == [
        "result: rejected-transient (2)",
        "diagnostic of the service provider: no-common-acse-version (2)",
    ]
    answer = aare(b"\x0e\x01\x06\x01", result=b"\x02\x01\x2a", diagnostic=b"")
    assert said(answer).text.splitlines()[1:] == [
        "result: unknown (42)",
        "diagnostic of the service user: not given",
        "confirmed-service-error: initiate-error (1), initiate (6): dlms-version-too-low (1)",
    ]


def test_association_request() -> None:
    request = tlv(
        0x60,
        bytes.fromhex("a109060760857405080103")
        + tlv(0xA6, tlv(0x04, b"CLT\x00\x00\x00\x00\x01"))
        + bytes.fromhex("8a0207808b0760857405080205")
        + tlv(0xAC, tlv(0x80, b"0123456789abcdef"))
        + tlv(0xBE, tlv(0x04, bytes.fromhex("01000000065f1f0400007e1f0400"))),
    )
    assert said(request) == (
        "AARQ",
        "application context: logical names, ciphered\n"
        "system title: 434c540000000001\n"
        "ACSE requirements: authentication\n"
        "authentication mechanism: HLS GMAC\n"
        "authentication value: 16 octets, hidden\n"
        "DLMS version: 6\n"
        "proposed conformance: priority-management, attribute0-with-get, block-transfer-with-get, "
        "block-transfer-with-set, block-transfer-with-action, multiple-references, get, set, "
        "selective-access, event-notification, action\n"
        "largest APDU that the client takes: 1024 octets",
    )


def test_ciphered_information_is_named() -> None:
    assert "user information: ciphered, 4 octets" in said(aare(b"\x28\x02\x30\x00")).text


# What is hidden, and what nobody expects


@pytest.mark.parametrize(
    ("apdu", "start", "text"),
    [
        ("c301c1004000002b0000ff02012a2a", 13, "64/0-0:43.0.0.255/method 2 key_transfer\n2 octets, hidden"),
        ("c101c1000f0000280000ff07002a2a", 13, "15/0-0:40.0.0.255/7 secret\n2 octets, hidden"),
        ("c301c1000f0000280000ff01012a2a", 13, f"{LOGIN}\n2 octets, hidden"),
        ("c301c1101f0000280000ff01012a2a", 13, "4127/0-0:40.0.0.255/method 1\n2 octets, hidden"),
        ("c401c1002a2a", 4, "2 octets, hidden"),
        ("c402c101000000012a2a2a", 8, "3 octets, hidden"),
        ("c103c101000000022a2a2a", 8, "3 octets, hidden"),
        ("c701c1002a2a2a", 4, "success\n3 octets, hidden"),
        ("aa2a", 1, "aa\n1 octet, hidden"),
    ],
)
def test_what_is_hidden_is_said_to_be(apdu: str, start: int, text: str) -> None:
    octets = bytes.fromhex(apdu)
    assert describer().describe(record(octets, (start, len(octets)))).text == text


def test_texts_are_of_bounded_length() -> None:
    many = Data(DataType.ARRAY, tuple(Data(DataType.LONG_UNSIGNED, number) for number in range(9000)))
    text = data_text(many)
    assert len(text) <= LONGEST_TEXT + 20
    assert text.endswith("(cut here)")
    assert len(data_text(Data(DataType.OCTET_STRING, b"\x01" * 30_000))) < 300
    assert "too many to be shown" in data_text(Data(DataType.OCTET_STRING, b"\x01" * 40_000))
    assert len(said(f"c003c1{0x84:02x}00000fff" + (ENERGY_HEX + "00") * 0xFFF).text) <= LONGEST_TEXT + 20


TAGS = st.sampled_from([0x60, 0x61, 0x62, 0x63, 0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7, 0xD8, 0x0E, 0xCC, 0x2E])
APDUS = st.one_of(
    st.binary(max_size=200),
    st.tuples(TAGS, st.integers(0, 7), st.binary(max_size=200)).map(
        lambda parts: bytes((parts[0], parts[1])) + parts[2]
    ),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(APDUS, st.integers(0, 210)), max_size=6))
def test_garbage_is_described(apdus: list[tuple[bytes, int]]) -> None:
    who = describer()
    for apdu, start in apdus:
        hidden = [(start, len(apdu))] if start < len(apdu) else []
        description = who.describe(record(apdu, *hidden))
        assert description.service
        assert len(description.text) <= LONGEST_TEXT + 20


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_turned_octets_are_described(data: st.DataObject) -> None:
    apdu = bytearray(data.draw(st.sampled_from([bytes.fromhex(GET_LIST), aare(initiate_response())])))
    position = data.draw(st.integers(0, len(apdu) - 1))
    apdu[position] = data.draw(st.integers(0, 255))
    assert len(said(bytes(apdu)).text) <= LONGEST_TEXT + 20
