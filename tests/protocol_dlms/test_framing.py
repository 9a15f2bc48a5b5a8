"""HDLC and wrapper frames, octet by octet."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.transport import hdlc, wrapper


def test_check_sequence_of_the_standard_message() -> None:
    # The check value of CRC-16/IBM-SDLC, also called X-25, for the digits 1 to 9.
    assert hdlc.compute_check_sequence(b"123456789") == bytes.fromhex("6e90")


@given(st.binary(max_size=300))
def test_check_sequence_agrees_with_a_bitwise_one(octets: bytes) -> None:
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
    assert hdlc.compute_check_sequence(octets) == (crc ^ 0xFFFF).to_bytes(2, "little")


def test_snrm_without_parameters_as_in_the_books() -> None:
    frame = hdlc.encode(b"\x03", b"\x21", hdlc.Control.SNRM | hdlc.POLL_FINAL, b"", segmented=False)
    assert frame.hex() == "7ea00703219" + "30f017e"


ADDRESSES = st.sampled_from([b"\x03", b"\x21", b"\x02\x23", b"\x00\x02\x00\x23"])


@given(ADDRESSES, ADDRESSES, st.integers(0, 255), st.binary(max_size=400), st.booleans())
def test_frames_come_back(
    destination: bytes, source: bytes, control: int, information: bytes, segmented: bool
) -> None:
    octets = hdlc.encode(destination, source, control, information, segmented=segmented)
    assert octets[0] == octets[-1] == hdlc.FLAG
    body = octets[1:-1]
    assert hdlc.parse_frame_length(body[:2]) == len(body)
    assert hdlc.decode(body) == hdlc.Frame(destination, source, control, information, segmented)


@given(st.binary(max_size=60), st.data())
def test_any_flipped_bit_is_noticed(information: bytes, data: st.DataObject) -> None:
    body = bytearray(hdlc.encode(b"\x03", b"\x21", 0x10, information, segmented=False)[1:-1])
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(errors.IllegalResponse):
        hdlc.decode(bytes(body))


@given(st.binary(min_size=2, max_size=80))
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(errors.IllegalResponse):
        hdlc.decode(body)


def test_a_wrong_header_check_sequence_behind_a_right_frame_check_sequence() -> None:
    body = bytearray(hdlc.encode(b"\x03", b"\x21", 0x10, b"information", segmented=False)[1:-3])
    body[5] ^= 1
    with pytest.raises(errors.IllegalResponse, match="header check"):
        hdlc.decode(bytes(body) + hdlc.compute_check_sequence(body))


@pytest.mark.parametrize("address", ["0204", "020406", "02040608", "020401", "0204060801"])
def test_addresses_of_impossible_length(address: str) -> None:
    body = hdlc.encode(bytes.fromhex(address), b"", 0x10, b"", segmented=False)[1:-1]
    with pytest.raises(errors.IllegalResponse):
        hdlc.decode(body)


@pytest.mark.parametrize(
    ("logical_device", "address"),
    [(1, "03"), (16, "21"), (127, "ff"), (128, "02000001"), (0x3FFF, "fefe0001")],
)
def test_server_addresses(logical_device: int, address: str) -> None:
    assert hdlc.encode_server_address(logical_device).hex() == address


def test_link_parameters() -> None:
    assert (
        hdlc.build_link_parameters(128).hex()
        == "8180" + "14" + "05020080" + "06020080" + "070400000001" + "080400000001"
    )
    assert hdlc.parse_receive_size(hdlc.build_link_parameters(512)) == 512


@pytest.mark.parametrize(
    ("information", "size"),
    [
        ("", 128),
        ("8180", 128),
        ("818000", 128),
        ("ffff03060140", 128),
        ("818003060140", 64),
        ("818006050101060140", 64),
        ("8180040602ffff", hdlc.MAX_INFORMATION_SIZE),
        ("81800306", 128),
        ("818003060240", 128),
    ],
)
def test_sizes_that_peers_name_or_do_not(information: str, size: int) -> None:
    assert hdlc.parse_receive_size(bytes.fromhex(information)) == size


def test_a_size_too_small_to_use() -> None:
    with pytest.raises(errors.IllegalResponse):
        hdlc.parse_receive_size(bytes.fromhex("818003060100"))


@given(st.binary(max_size=40))
def test_any_link_parameters_give_a_usable_size(information: bytes) -> None:
    with contextlib.suppress(errors.IllegalResponse):
        assert 8 <= hdlc.parse_receive_size(information) <= hdlc.MAX_INFORMATION_SIZE


def test_wrapper_frame() -> None:
    assert wrapper.build_frame(16, 1, b"abc").hex() == "0001" + "0010" + "0001" + "0003" + "616263"


def test_a_wrapper_takes_no_more_than_its_length_can_say() -> None:
    with pytest.raises(errors.EncodeError):
        wrapper.build_frame(1, 1, bytes(0x10000))
