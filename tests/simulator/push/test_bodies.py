"""Bodies in layouts of other meters, made of the meter's own objects."""

from typing import Any

import pytest

from osgp.simulator.codec.axdr import Data, decode
from osgp.simulator.codec.hdlc import FrameDecoder
from osgp.simulator.meter.meter import Meter

from ..meters import read
from .opening import open_push, unwrap
from .receiver import Receiver, of_wrapper, receiving
from .test_forms import ID, IDENTIFICATION, running

OBJECTS = [
    {"class_id": 1, "obis_code": "0-0:96.1.1.255"},
    {"class_id": 3, "obis_code": "1-0:1.8.0.255"},
]


def energy(meter: Meter) -> str:
    """The register of imported energy, as it is pushed."""
    value: int = read(meter, "ACTIVE_ENERGY_IMPORT").value
    return f"06{value:08x}"


def push_body(receiver: Receiver, body: dict[str, Any], profile: str = "SMR-5.1") -> tuple[str, Meter]:
    """What a meter pushes behind the header, and the meter."""
    with running(receiver, profile) as (interface, meter):
        assert interface.push(IDENTIFICATION, body=body)["form"] == "body"
        source, destination, apdu = unwrap(receiver.wait()[0])
        assert (source, destination) == (1, 0x66)
        assert apdu[:6].hex() == "0f0000000100"
        return apdu[6:].hex(), meter


def test_layout_a(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "A", "objects": OBJECTS})
    assert body == "0202" + f"0911{ID}" + energy(meter)


def test_layout_b(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "B", "objects": OBJECTS})
    assert body == "0204" + "09060000600101ff" + f"0911{ID}" + "09060100010800ff" + energy(meter)


def test_layout_d(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "D", "objects": OBJECTS})
    scaler, unit = (part.value for part in read(meter, "ACTIVE_ENERGY_IMPORT", 3).value)
    assert unit == 30  # Wh
    assert body == (
        "0102"
        + ("0202" + "09060000600101ff" + f"0911{ID}")
        + ("0203" + "09060100010800ff" + energy(meter) + f"02020f{scaler & 0xFF:02x}161e")
    )


def test_layout_e(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "E", "name": "0-8:25.9.0.255", "objects": OBJECTS})
    assert body == (
        "0203"
        + "0103"
        + ("0204120028" + "09060008190900ff" + "0f02" + "120000")
        + ("0204120001" + "09060000600101ff" + "0f02" + "120000")
        + ("0204120003" + "09060100010800ff" + "0f02" + "120000")
        + f"0911{ID}"
        + energy(meter)
    )


def test_layout_e_of_what_meters_usually_push(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "E"})
    listed, identification, clock, *energies = decode(bytes.fromhex(body)).value
    assert len(listed.value) == 5
    assert identification.value == IDENTIFICATION.encode()
    assert clock.value.hex().startswith("07ea0710040e1e1f")
    assert [each.value for each in energies] == [
        read(meter, f"ACTIVE_ENERGY_{way}").value for way in ("IMPORT", "EXPORT")
    ]


def test_layout_f(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "F", "objects": OBJECTS[1:]})
    assert body == "0203" + f"0911{ID}" + "09060001190900ff" + energy(meter)


@pytest.mark.parametrize("profile", ["DSMR-2.2", "DSMR-4.2.2", "SMR-5.1", "SMR-5.5"])
def test_layout_h(receiver: Receiver, profile: str) -> None:
    body, meter = push_body(receiver, {"layout": "H", "rows": 3, "name": "0-7:25.9.0.255"}, profile)
    assert body.startswith("0203" + f"0911{ID}" + "09060007190900ff" + "0103")
    pushed = decode(bytes.fromhex(body)).value[2].value
    stamps = [row.value[0].value.hex() for row in pushed]
    # It is 14:30:31 by the meter's clock: the last three quarters of an hour in full.
    assert [stamp[8:18] for stamp in stamps] == ["040e000000", "040e0f0000", "040e1e0000"]
    buffer = read(meter, "INTERVAL_VALUES_E").value
    assert list(pushed) == list(buffer[-3:])


def test_null_compressed_rows_begin_with_a_stamp(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1", null_compressed=1.0) as (interface, _):
        interface.push(IDENTIFICATION, body={"layout": "H", "rows": 3})
        rows = decode(unwrap(receiver.wait()[0])[2][6:]).value[2].value
        assert [row.value[0].value is None for row in rows] == [False, True, True]


def test_the_last_rows_of_a_log(receiver: Receiver) -> None:
    body, meter = push_body(receiver, {"layout": "H", "rows": 2, "buffer": "STANDARD_EVENT_LOG"})
    pushed = decode(bytes.fromhex(body)).value[2].value
    assert list(pushed) == list(read(meter, "STANDARD_EVENT_LOG").value[-2:])


def test_what_the_meter_does_not_have_is_null_data(receiver: Receiver) -> None:
    objects = [
        {"class_id": 3, "obis_code": "9-9:9.9.9.255"},
        {"class_id": 4, "obis_code": "1-0:1.8.0.255"},
        {"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 9},
        {"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 3, "data_index": 2},
        {"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 3, "data_index": 3},
    ]
    body, _ = push_body(receiver, {"layout": "A", "objects": objects})
    assert body == "0205" + "000000" + "161e" + "00"


def test_all_attributes_of_an_object(receiver: Receiver) -> None:
    objects = [{"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 0}]
    body, meter = push_body(receiver, {"layout": "A", "objects": objects})
    name, value, _scaler_unit = decode(bytes.fromhex(body)).value[0].value
    assert (name.value, value.value) == (
        bytes.fromhex("0100010800ff"),
        read(meter, "ACTIVE_ENERGY_IMPORT").value,
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"layout": "H", "buffer": "CLOCK"}, "body: buffer: CLOCK is no profile of this meter"),
        ({"layout": "H", "buffer": "NOTHING"}, "body: buffer: NOTHING is no profile of this meter"),
        ({"layout": "H", "rows": 0}, "body: rows: is a whole number from 1 to 500"),
        ({"layout": "Z"}, "body: layout: 'Z' is none of A, B, D, E, F, H"),
        ({"layout": "E", "objects": []}, "body: objects: is a list of 1 to 64 objects"),
        (
            {"layout": "E", "objects": [{"class_id": 1}]},
            "body: objects: is an object with class_id, obis_code",
        ),
        ({"layout": "E", "values": 1}, "body: 'values' is none of layout, name, objects, buffer, rows"),
        ({}, "body: is an object with a layout"),
    ],
)
def test_bodies_that_make_no_sense(receiver: Receiver, body: dict[str, Any], detail: str) -> None:
    with running(receiver, "SMR-5.1") as (interface, _):
        status, answer = interface.call("POST", f"/meters/{IDENTIFICATION}/push", {"body": body})
        assert status == 422
        assert detail in answer["detail"]


# Blocks and frames


def join_blocks(blocks: list[bytes]) -> bytes:
    """What general-block-transfer brings."""
    joined = b""
    for number, block in enumerate(blocks, 1):
        assert block[0] == 0xE0
        assert block[1] == (0xC0 if number == len(blocks) else 0x40)
        assert int.from_bytes(block[2:4], "big") == number
        assert block[4:6] == b"\x00\x00"
        assert block[6] == len(block) - 7 < 0x80
        joined += block[7:]
    return joined


def cut_frames(octets: bytes) -> list[bytes]:
    """The APDUs in wrapper frames."""
    found = []
    while octets:
        end = 8 + int.from_bytes(octets[6:8], "big")
        found.append(octets[8:end])
        octets = octets[end:]
    return found


def has_last_block(connection: object, octets: bytes) -> bool:
    """Whether the last block of a push is complete."""
    frames = cut_frames(octets) if of_wrapper(None, octets) else []  # type: ignore[arg-type]
    return bool(frames) and frames[-1][1:2] == b"\xc0" and len(frames[-1]) == 7 + frames[-1][6]


def test_blocks_each_in_a_wrapper_frame() -> None:
    with receiving(has_last_block) as receiver, running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(IDENTIFICATION, body={"layout": "E"}, ciphered=True, block=50)
        blocks = cut_frames(receiver.wait()[0])
        assert {len(block) for block in blocks[:-1]} == {57}
        ciphered = join_blocks(blocks)
        framed = bytes.fromhex("000100010066") + len(ciphered).to_bytes(2, "big") + ciphered
        assert open_push(framed, meter).apdu[0] == 0x0F
        interface.push(IDENTIFICATION, body={"layout": "E"}, block=50, transport="udp")
        plain = join_blocks(cut_frames(b"".join(receiver.wait_for_datagrams(3))))
        assert plain[:5].hex() == "0f00000002"
        assert len(plain) == 143


@pytest.mark.parametrize("block", [None, 96])
def test_ui_frames(block: int | None) -> None:
    def is_complete(connection: object, octets: bytes) -> bool:
        decoder = FrameDecoder()
        decoder.receive_data(octets)
        frames = []
        while frame := decoder.take_frame():
            frames.append(frame)
        if block is None:
            return any(frame.control == 0x13 for frame in frames)
        return any(frame.information[:2] == b"\xe0\xc0" for frame in frames)

    with receiving(is_complete) as receiver, running(receiver, "SMR-5.1") as (interface, meter):
        blocks = {} if block is None else {"block": block}
        interface.push(IDENTIFICATION, body={"layout": "E"}, framing="hdlc", **blocks)
        decoder = FrameDecoder()
        decoder.receive_data(receiver.wait()[0])
        frames = []
        while frame := decoder.take_frame():
            frames.append(frame)
    assert len(frames) == 2
    assert frames[0].information[:3].hex() == "e6e700"
    assert [frame.segmented for frame in frames] == [block is None, False]
    assert [frame.control for frame in frames] == ([0x03, 0x13] if block is None else [0x13, 0x13])
    parts = [frames[0].information[3:], frames[1].information]
    apdu = b"".join(parts) if block is None else join_blocks(parts)
    assert apdu[:6].hex() == "0f0000000100"
    values: tuple[Data, ...] = decode(apdu[6:]).value
    assert values[1].value == meter.identification.encode()


def test_bodies_that_do_not_fit(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        definition = meter.type.profile["INTERVAL_VALUES_E"].address_attribute("buffer")
        listed = {"class_id": 7, "obis_code": "1-0:99.1.0.255"}
        assert definition.logical_name.hex() == "0100630100ff"
        order = {"body": {"layout": "A", "objects": [listed] * 3}}
        interface.push(IDENTIFICATION, **order)
        pushed = decode(unwrap(receiver.wait()[0])[2][6:]).value
        assert [len(each.value) for each in pushed] == [4, 4, 4]
        many = {"layout": "E", "objects": [{"class_id": 15, "obis_code": "0-0:40.0.0.255"}] * 64}
        status, answer = interface.call("POST", f"/meters/{IDENTIFICATION}/push", {"body": many})
        assert status == 422
        assert "does not fit a wrapper frame" in answer["detail"]
