"""Octets of pushes, against examples of real forms: every one is put together by hand from what it means."""

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator.codec.block_transfer import split_into_blocks
from osgp.simulator.codec.ciphering import Cipher
from osgp.simulator.codec.errors import LocalProtocolError
from osgp.simulator.codec.hdlc import LLC_RESPONSE, encode_push
from osgp.simulator.codec.notifications import encode_data_notification, encode_event_notification
from osgp.simulator.codec.wrapper import encode_frame

ENCRYPTION_KEY = bytes(range(16))
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
TITLE = b"MMM\x00\x00\xbc\x61\x4e"


def test_a_last_gasp_in_an_event_notification() -> None:
    identification = b"\x09\x10KA6P005039021110"
    apdu = encode_event_notification(
        bytes.fromhex("07e70706040a362600ff8880"),
        AttributeDescriptor(1, bytes.fromhex("808080808000"), 2),
        identification,
    )
    assert encode_frame(0x67, 0x66, apdu).hex() == (
        "000100670066002ac2090c07e70706040a362600ff88800001808080808000020910" + b"KA6P005039021110".hex()
    )
    untimed = encode_event_notification(b"", AttributeDescriptor(1, bytes(6), 2), identification)
    assert untimed.hex() == "c2000001000000000000020910" + b"KA6P005039021110".hex()


def test_an_alarm_in_a_data_notification() -> None:
    body = bytes.fromhex(
        "02040911" + b"E0000000123456789".hex() + "090600" + "01190900ff" + "0600000004" + "0600000001"
    )
    assert encode_frame(0x67, 0x66, encode_data_notification(0xF01, b"", body)).hex().upper() == (
        "000100670066002D0F00000F01000204091145303030303030303132333435363738"
        "3909060001190900FF06000000040600000001"
    )


def test_a_ciphered_alarm() -> None:
    definitions = (
        (40, "0004190900ff", 2),
        (1, "00002a0000ff", 2),
        (8, "0000010000ff", 2),
        (1, "0000616200ff", 2),
    )
    listed = "".join(
        f"020412{class_id:04x}0906{name}0f{attribute:02x}120000" for class_id, name, attribute in definitions
    )
    body = (
        "0204"
        + "0104"
        + listed
        + "0910"
        + b"MMM0000012345678".hex()
        + "090c07ea0710040c1e1f00ff8880"
        + "0600000022"
    )
    apdu = encode_data_notification(0x40000C02, b"", bytes.fromhex(body))
    cipher = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, TITLE, b"")
    assert encode_frame(1, 103, cipher.encipher_general(0xC01, apdu)).hex().upper() == (
        "0001000100670094DB084D4D4D0000BC614E81883000000C017568672C02C097C950EB58345753043CF23935B6F3DC3DC5"
        "5B759ABA560026321C5578EF4D1054CE07C54B238DA04585D18F1C3BE19CCC3EBF1F3BE210B37FD24A734CC088482DB8A9"
        "6657F7FECA48D169E18C50CB3DBFD2F464E51A9E7498EB54748B379DBD99E02ABE5B68451AC6AA59044F6407FC4007A006"
        "FD0A80BA243C2BD5B1"
    )


def test_rows_with_a_time_of_their_own() -> None:
    rows = (
        "0204090c07ea0710040e000000ff888011000600018768" + "0600000000"
        "02040011000600" + "0187a4" + "0600000000"
        "02040011080600" + "0187cc" + "0600000000"
    )
    body = "02030910" + b"MMM0000012345678".hex() + "09060001190900ff" + "0103" + rows
    stamp = bytes.fromhex("07ea0710040e000000ff8880")
    apdu = encode_data_notification(0xE01, stamp, bytes.fromhex(body))
    assert encode_frame(1, 102, apdu).hex().upper() == (
        "000100010066006A0F00000E010C07EA0710040E000000FF8880020309104D4D4D30303030303132333435363738090600"
        "01190900FF01030204090C07EA0710040E000000FF8880110006000187680600000000020400110006000187A406000000"
        "00020400110806000187CC0600000000"
    )


def test_blocks_in_frames_of_which_only_the_first_has_the_llc_header() -> None:
    names = (
        ("0028", "0008190900ff", 2),
        ("0028", "0008190900ff", 1),
        ("0001", "0000600100ff", 2),
        ("0003", "0100010700ff", 2),
        ("0003", "0101010800ff", 2),
        ("0003", "0100200700ff", 2),
    )
    listed = "".join(f"020412{each[0]}0906{each[1]}0f{each[2]:02x}120000" for each in names)
    values = "09060008190900ff" + "0908" + b"12345678".hex() + "0600000309" + "06004af481" + "1200ea"
    apdu = encode_data_notification(
        0xC001, bytes.fromhex("07ea0710040e1e19ff800000"), bytes.fromhex("0206" + "0106" + listed + values)
    )
    first, second = split_into_blocks(apdu, 96)
    destination, source = bytes.fromhex("ceff"), bytes.fromhex("03")
    sent = encode_push(destination, source, LLC_RESPONSE + first, 128) + encode_push(
        destination, source, second, 128
    )
    assert sent.hex().upper() == (
        "7EA074CEFF0313B414E6E700E04000010000600F0000C0010C07EA0710040E1E19FF800000020601060204120028090600"
        "08190900FF0F02120000020412002809060008190900FF0F01120000020412000109060000600100FF0F02120000020412"
        "000309060100010700FF0F021200000204DE1D7E7EA052CEFF0313BD4FE0C0000200004112000309060101010800FF0F02"
        "120000020412000309060100200700FF0F0212000009060008190900FF0908313233343536373806000003090600"
        "4AF4811200EAB65B7E"
    )


def test_segments_of_a_frame_that_is_too_long() -> None:
    body = (
        "0205"
        "020209060000600100ff0908" + b"12345678".hex() + "020309060100010700ff06000000b602020f00161b"
        "020309060100200700ff12093c02020fff1623"
        "0203090601001f0700ff12003f02020ffe1621"
        "020309060100010800ff060003ff2702020f00161e"
    )
    stamp = bytes.fromhex("07ea0710040e1e1e00ff8880")
    apdu = encode_data_notification(0xD01, stamp, bytes.fromhex(body))
    address = bytes.fromhex("cf"), bytes.fromhex("0223")
    information = LLC_RESPONSE + apdu
    # The last segment of this meter is the longer one; those of the simulator are as long as they may be.
    first = encode_push(*address, information, 61)[:73]
    last = encode_push(*address, information[61:], 62)
    sent = first + last
    assert sent.hex().upper() == (
        "7EA847CF022303B3A0E6E7000F00000D010C07EA0710040E1E1E00FF88800205020209060000600100FF09083132333435"
        "363738020309060100010700FF06000000B602020F80787E7EA048CF02231396FB00161B020309060100200700FF12093C"
        "02020FFF16230203090601001F0700FF12003F02020FFE1621020309060100010800FF060003FF2702020F00161EC59F7E"
    )


def test_one_frame_of_one_list() -> None:
    pairs = (
        ("0101000005ff", "0a10" + b"1234567890123456".hex()),
        ("0101600101ff", "0a12" + b"000000000000000001".hex()),
        ("0101010700ff", "06000004d2"),
        ("0101020700ff", "0600000000"),
        ("01011f0700ff", "0600000219"),
        ("0101200700ff", "1200e7"),
    )
    body = "020d" + "0a0e" + b"Kamstrup_V0001".hex() + "".join(f"0906{name}{value}" for name, value in pairs)
    apdu = encode_data_notification(0, bytes.fromhex("07ea0110050e1e0aff800000"), bytes.fromhex(body))
    assert encode_push(b"\x2b", b"\x21", LLC_RESPONSE + apdu, 200).hex().upper() == (
        "7EA0982B2113C81CE6E7000F000000000C07EA0110050E1E0AFF800000020D0A0E4B616D73747275705F56303030310906"
        "0101000005FF0A103132333435363738393031323334353609060101600101FF0A12303030303030303030303030303030"
        "30303109060101010700FF06000004D209060101020700FF0600000000090601011F0700FF060000021909060101200700"
        "FF1200E776BD7E"
    )


def test_what_has_no_encoding_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="32 bits"):
        encode_data_notification(1 << 32, b"", b"\x00")
    with pytest.raises(LocalProtocolError, match="blocks of 0"):
        split_into_blocks(b"\x00", 0)
    with pytest.raises(LocalProtocolError, match="does not fit blocks of 1"):
        split_into_blocks(bytes(0x10000), 1)
