"""Wrapper and HDLC: known frames, any cut of the stream, hostile input."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.simulator.codec.errors import LocalProtocolError, RemoteProtocolError
from osgp.simulator.codec.hdlc import (
    Control,
    Frame,
    FrameDecoder,
    LinkParameters,
    checksum,
    decode_frame,
    decode_parameters,
    encode_frame,
    encode_parameters,
    information_control,
    receive_ready_control,
    upper_address,
)
from osgp.simulator.codec.wrapper import WrapperDecoder, WrapperFrame
from osgp.simulator.codec.wrapper import encode_frame as wrap


def pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    """``octets`` cut at the given places."""
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[start:end] for start, end in pairwise(places)]


_apdus = st.lists(
    st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=6
)
_cuts = st.lists(st.integers(0, 5_000), max_size=30)


@given(_apdus, _cuts)
def test_wrapper_frames_survive_any_cut(apdus: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    decoder = WrapperDecoder()
    found = []
    for piece in pieces(b"".join(wrap(*apdu) for apdu in apdus), cuts):
        decoder.receive_data(piece)
        while (frame := decoder.take_frame()) is not None:
            found.append(frame)
    assert found == [WrapperFrame(*apdu) for apdu in apdus]


def test_a_wrapper_frame_has_the_octets_of_the_book() -> None:
    assert wrap(16, 1, b"\xc0\x01").hex() == "0001001000010002c001"


@pytest.mark.parametrize("header", ["0002001000010000", "0000000000000000", "00010010000100ff"])
def test_wrapper_frames_of_another_version_or_too_long_are_refused(header: str) -> None:
    decoder = WrapperDecoder(maximum_apdu=0xFE)
    decoder.receive_data(bytes.fromhex(header))
    with pytest.raises(RemoteProtocolError):
        decoder.take_frame()


def test_an_apdu_that_no_wrapper_can_tell_is_our_error() -> None:
    with pytest.raises(LocalProtocolError):
        wrap(1, 1, bytes(0x10000))


# SNRM and UA as meters and clients exchange them: server 1, client 16
SNRM = bytes.fromhex("7ea00703219 30f017e".replace(" ", ""))


def test_the_checksum_is_that_of_known_frames() -> None:
    assert checksum(bytes.fromhex("a0070321 93".replace(" ", ""))).hex() == "0f01"
    assert encode_frame(Frame(b"\x03", b"\x21", Control.SNRM)) == SNRM
    assert decode_frame(SNRM[1:-1]) == Frame(b"\x03", b"\x21", Control.SNRM)


_addresses = st.sampled_from([b"\x03", b"\x02\x23", bytes((0x04, 0x46, 0x00, 0x03))])
_frames = st.lists(
    st.builds(
        Frame,
        _addresses,
        st.just(b"\x21"),
        st.sampled_from([information_control(3, 5), receive_ready_control(2), Control.DISC]),
        st.binary(max_size=200),
        st.booleans(),
    ),
    max_size=6,
)


@given(_frames, _cuts, st.booleans())
def test_hdlc_frames_survive_any_cut(frames: list[Frame], cuts: list[int], shared_flags: bool) -> None:
    stream = b"".join(encode_frame(frame) for frame in frames)
    if shared_flags:
        stream = b"".join(encode_frame(frame)[:-1] for frame in frames) + b"\x7e"
    decoder = FrameDecoder()
    found = []
    for piece in pieces(stream, cuts):
        decoder.receive_data(piece)
        while (frame := decoder.take_frame()) is not None:
            found.append(frame)
    assert found == frames


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_frame_is_dropped_and_the_next_one_found(
    information: bytes, place: int, change: int
) -> None:
    damaged = bytearray(encode_frame(Frame(b"\x03", b"\x21", information_control(0, 0), information)))
    place = 3 + place % (len(damaged) - 4)
    damaged[place] ^= change
    decoder = FrameDecoder()
    decoder.receive_data(bytes(damaged) + SNRM)
    assert decoder.take_frame() == Frame(b"\x03", b"\x21", Control.SNRM)


@given(st.binary(max_size=2_000))
def test_any_stream_ends_in_frames_or_silence(octets: bytes) -> None:
    decoder = FrameDecoder()
    decoder.receive_data(octets)
    while decoder.take_frame() is not None:
        pass


@pytest.mark.parametrize("garbage", [b"\x00", b"\x7e", b"\x7e\xa0\x08"])
def test_a_stream_without_frames_is_given_up(garbage: bytes) -> None:
    decoder = FrameDecoder()

    def feed() -> None:
        for _ in range(200):
            decoder.receive_data(garbage * 1_000)
            while decoder.take_frame() is not None:
                pass

    with pytest.raises(RemoteProtocolError):
        feed()


def test_link_parameters() -> None:
    known = bytes.fromhex("8180140502008006020080070400000001080400000001")
    assert decode_parameters(known) == LinkParameters(128, 128)
    assert decode_parameters(b"") == LinkParameters(128, 128)
    assert decode_parameters(encode_parameters(LinkParameters(512, 200))) == LinkParameters(512, 200)
    assert decode_parameters(bytes.fromhex("818006050100060101")) == LinkParameters(32, 32)
    with pytest.raises(RemoteProtocolError):
        decode_parameters(bytes.fromhex("81801405020080"))


@pytest.mark.parametrize(("address", "upper"), [("03", 1), ("0223", 1), ("02020003", 129), ("00020003", 1)])
def test_the_upper_address_is_the_logical_device(address: str, upper: int) -> None:
    assert upper_address(bytes.fromhex(address)) == upper


def test_information_that_fits_no_frame_is_our_error() -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(Frame(b"\x03", b"\x21", information_control(0, 0), bytes(2_100)))
