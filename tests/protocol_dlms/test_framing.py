"""HDLC and wrapper frames, octet by octet."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.transport import hdlc, hdlc_parameters, wrapper
from osgp.protocol_dlms.transport.hdlc_finder import MAX_NOISE, FrameFinder


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


def test_link_parameters() -> None:
    proposal = hdlc_parameters.build_link_parameters(128, 1)
    assert proposal.hex() == "8180" + "14" + "05020080" + "06020080" + "070400000001" + "080400000001"
    proposal = hdlc_parameters.build_link_parameters(512, 7)
    assert hdlc_parameters.parse_link_parameters(proposal) == (512, 512, 7, 7)


@pytest.mark.parametrize(
    ("information", "parameters"),
    [
        ("", (128, 128, 1, 1)),
        ("8180", (128, 128, 1, 1)),
        ("818000", (128, 128, 1, 1)),
        ("ffff03060140", (128, 128, 1, 1)),
        ("818003060140", (128, 64, 1, 1)),
        ("818006050101060140", (1, 64, 1, 1)),
        ("8180040602ffff", (128, hdlc_parameters.MAX_INFORMATION_SIZE, 1, 1)),
        ("81800306", (128, 128, 1, 1)),
        ("818003060240", (128, 128, 1, 1)),
        ("818013050200f8060170070400000003080400000005", (248, 112, 3, 5)),
        ("818006070103080105", (128, 128, 3, 5)),
        ("81800c070400000000080400000008", (128, 128, 1, 7)),
    ],
)
def test_parameters_that_peers_name_or_do_not(information: str, parameters: tuple[int, ...]) -> None:
    assert hdlc_parameters.parse_link_parameters(bytes.fromhex(information)) == parameters


def test_a_size_too_small_to_use() -> None:
    with pytest.raises(errors.IllegalResponse):
        hdlc_parameters.parse_link_parameters(bytes.fromhex("818003060100"))


@given(st.binary(max_size=40))
def test_any_link_parameters_can_be_used(information: bytes) -> None:
    with contextlib.suppress(errors.IllegalResponse):
        granted = hdlc_parameters.parse_link_parameters(information)
        assert 8 <= granted.receive_size <= hdlc_parameters.MAX_INFORMATION_SIZE
        assert 1 <= granted.receive_window <= 7
        assert 1 <= granted.transmit_window <= 7


FRAMES = [
    hdlc.encode(b"\x03", b"\x02\x23", 0x30, octets, segmented=False)
    for octets in (b"", b"abc", b"\x7e\xa0\x07\x7e" * 9, bytes(1500))
]
NOISE = st.one_of(
    st.binary(max_size=12), st.sampled_from([b"\x7e", b"\x7e\xa7", b"\x7e\xa7\xff", b"\x7e\xa0\x40"])
)


@given(st.lists(st.tuples(NOISE, st.sampled_from(FRAMES)), max_size=6), st.integers(1, 600))
def test_frames_are_found_among_noise(stream: list[tuple[bytes, bytes]], size: int) -> None:
    """All of them, whatever stands between, as soon as no octets are missing in what looked like a frame."""
    octets = b"".join(noise + frame for noise, frame in stream)
    finder, found = FrameFinder(), []
    for start in range(0, len(octets), size):
        finder.feed(octets[start : start + size])
        while (frame := finder.take()) is not None:
            found.append(frame)
    while finder.give_up_partial():
        while (frame := finder.take()) is not None:
            found.append(frame)
    assert found == [hdlc.decode(frame[1:-1]) for _, frame in stream]


def test_a_false_start_of_a_frame_is_not_waited_for() -> None:
    finder = FrameFinder()
    finder.feed(b"\x7e\xa7\xff\x03\x03" + FRAMES[1])
    assert finder.take() == hdlc.decode(FRAMES[1][1:-1])


def test_noise_ends() -> None:
    finder = FrameFinder()
    finder.feed(bytes(MAX_NOISE + 1))
    with pytest.raises(errors.IllegalResponse, match="no HDLC frame"):
        finder.take()


def test_wrapper_frame() -> None:
    assert wrapper.build_frame(16, 1, b"abc").hex() == "0001" + "0010" + "0001" + "0003" + "616263"


def test_a_wrapper_takes_no_more_than_its_length_can_say() -> None:
    with pytest.raises(errors.EncodeError):
        wrapper.build_frame(1, 1, bytes(0x10000))
