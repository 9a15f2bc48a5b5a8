"""Deciphering of pushes: known ones, every security control, and every way to be wrong."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.push import protection
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.protection import unprotect
from tests.protocol_dlms.push import apdus
from tests.protocol_dlms.push.apdus import AUTHENTICATION_KEY, ENCRYPTION_KEY, SYSTEM_TITLE

TELEGRAM = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.0(000123.456*kWh)\r\n!1A2B\r\n"
CONTROLS = (0x10, 0x11, 0x20, 0x21, 0x30, 0x31)
CONTROL_POSITION = 1 + 9 + 1  # in a short APDU: after tag, system title and length
WITH_TAG = (0x10, 0x11, 0x30, 0x31)


def protect(plain: bytes, control: int, *, title: bytes = SYSTEM_TITLE, counter: int = 7) -> bytes:
    """Protect in one run of GCM; authentication alone has the text in the additional data."""
    iv = SYSTEM_TITLE + counter.to_bytes(4, "big")
    gcm = Cipher(algorithms.AES(ENCRYPTION_KEY), modes.GCM(iv)).encryptor()
    if control & 0x10:
        gcm.authenticate_additional_data(bytes((control,)) + AUTHENTICATION_KEY)
    if control & 0x20:
        text = gcm.update(plain) + gcm.finalize()
    else:
        gcm.authenticate_additional_data(plain)
        gcm.finalize()
        text = plain
    tag = gcm.tag[:12] if control & 0x10 else b""
    return frame(bytes((control,)) + iv[8:] + text + tag, title)


def frame(content: bytes, title: bytes = SYSTEM_TITLE) -> bytes:
    return b"\xdb" + bytes((len(title),)) + title + encode_length(len(content)) + content


def kind_of(
    apdu: bytes, authentication_key: bytes | None = AUTHENTICATION_KEY, **further: bytes
) -> PushFault:
    with pytest.raises(PushError) as info:
        unprotect(apdu, ENCRYPTION_KEY, authentication_key, **further)
    assert info.value.octets == apdu
    return info.value.kind


@pytest.mark.parametrize("name", apdus.PROTECTED)
def test_known_pushes(name: str) -> None:
    apdu = apdus.PROTECTED[name]
    counters = {"lower-austria": 0xA01, "kamstrup-denmark": 0xB01, "wan-alarm": 0xC01}
    parsed = protection.parse(apdu)
    assert parsed.system_title == SYSTEM_TITLE
    assert parsed.invocation_counter == counters[name]
    assert parsed.is_authenticated == (name != "lower-austria")
    assert parsed.is_encrypted
    assert unprotect(apdu, ENCRYPTION_KEY, AUTHENTICATION_KEY)[0] == 0x0F


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("plain", [apdus.KAIFA, TELEGRAM], ids=["notification", "telegram"])
def test_every_security_control(control: int, plain: bytes) -> None:
    apdu = protect(plain, control)
    assert unprotect(apdu, ENCRYPTION_KEY, AUTHENTICATION_KEY) == plain
    assert protection.parse(apdu).is_authenticated == (control in WITH_TAG)


@pytest.mark.parametrize("control", WITH_TAG)
@given(position=st.integers(14, 1000), bit=st.integers(0, 7))
def test_a_tag_covers_counter_text_and_itself(control: int, position: int, bit: int) -> None:
    apdu = bytearray(protect(apdus.KAIFA, control))
    header = CONTROL_POSITION + 1
    apdu[header + position % (len(apdu) - header)] ^= 1 << bit
    assert kind_of(bytes(apdu)) is PushFault.BAD_TAG


def test_a_forged_security_control_does_not_pass_for_authentic() -> None:
    """Whoever takes the tag away gets the text taken, so the caller has to ask whether there was one."""
    apdu = bytearray(protect(apdus.KAIFA, 0x30))
    assert apdu[CONTROL_POSITION] == 0x30
    apdu[CONTROL_POSITION] = 0x31
    assert kind_of(bytes(apdu)) is PushFault.BAD_TAG
    apdu[CONTROL_POSITION] = 0x20
    assert kind_of(bytes(apdu)) is PushFault.UNKNOWN_KEY  # twelve octets too many
    apdu[CONTROL_POSITION - 1] -= 12
    stripped = bytes(apdu[:-12])
    assert unprotect(stripped, ENCRYPTION_KEY, AUTHENTICATION_KEY) == apdus.KAIFA
    assert not protection.parse(stripped).is_authenticated


@pytest.mark.parametrize("control", WITH_TAG)
def test_a_tag_needs_the_authentication_key(control: int) -> None:
    assert kind_of(protect(apdus.KAIFA, control), None) is PushFault.UNKNOWN_KEY
    assert kind_of(protect(apdus.KAIFA, control), bytes(16)) is PushFault.BAD_TAG


@pytest.mark.parametrize("control", [0x20, 0x21])
def test_without_a_tag_no_authentication_key_is_needed(control: int) -> None:
    assert unprotect(protect(apdus.KAIFA, control), ENCRYPTION_KEY, None) == apdus.KAIFA


@pytest.mark.parametrize(
    "plain",
    [
        apdus.KAIFA[:-1],
        apdus.KAIFA + b"\0",
        apdus.KAIFA[1:],
        apdus.MX382_LAST_GASP,
        b"\x0f",
        TELEGRAM[1:],
        TELEGRAM.replace(b"!", b"?"),
        TELEGRAM.replace(b"kWh", b"\xb0Wh"),
    ],
    ids=["short", "long", "no-tag", "another-service", "empty", "no-line", "no-end", "not-ascii"],
)
def test_without_a_tag_the_outcome_must_make_sense(plain: bytes) -> None:
    assert kind_of(protect(plain, 0x20)) is PushFault.UNKNOWN_KEY


def test_without_a_tag_another_key_makes_no_sense() -> None:
    with pytest.raises(PushError) as info:
        unprotect(apdus.LOWER_AUSTRIA, bytes(16), None)
    assert info.value.kind is PushFault.UNKNOWN_KEY


def test_a_system_title_that_is_left_out() -> None:
    apdu = protect(apdus.KAIFA, 0x30, title=b"")
    assert protection.parse(apdu).system_title == b""
    assert kind_of(apdu) is PushFault.WRONG_SYSTEM_TITLE
    assert kind_of(apdu, system_title=SYSTEM_TITLE[:7]) is PushFault.WRONG_SYSTEM_TITLE
    assert kind_of(apdu, system_title=bytes(8)) is PushFault.BAD_TAG
    plain = unprotect(apdu, ENCRYPTION_KEY, AUTHENTICATION_KEY, system_title=SYSTEM_TITLE)
    assert plain == apdus.KAIFA


@pytest.mark.parametrize("control", [0x00, 0x01, 0x12, 0x22, 0x32, 0x70, 0xA0, 0xB0, 0xF0])
def test_other_protections_are_refused(control: int) -> None:
    """None at all, suite 2, broadcast keys, compression."""
    assert kind_of(frame(bytes((control,)) + bytes(40))) is PushFault.UNKNOWN_FORM


@pytest.mark.parametrize(
    ("apdu", "kind"),
    [
        (b"", PushFault.MALFORMED),
        (b"\xdb", PushFault.MALFORMED),
        (b"\xdd" + frame(bytes(40))[1:], PushFault.UNKNOWN_FORM),
        (frame(b"\x30" + bytes(30), title=bytes(7)), PushFault.MALFORMED),
        (frame(b"\x30\0\0\0"), PushFault.MALFORMED),
        (frame(b"\x30" + bytes(4 + 12)), PushFault.MALFORMED),
        (frame(b"\x20" + bytes(4)), PushFault.MALFORMED),
        (frame(b"\x20" + bytes(5)) + b"\0", PushFault.MALFORMED),
        (frame(b"\x20" + bytes(5))[:-1], PushFault.MALFORMED),
        (b"\xdb\x00\x84\xff\xff\xff\xff\x30", PushFault.MALFORMED),
    ],
    ids=["nothing", "tag", "other-tag", "title", "header", "tag-only", "empty", "long", "short", "huge"],
)
def test_broken_apdus(apdu: bytes, kind: PushFault) -> None:
    assert kind_of(apdu) is kind


@given(st.binary(max_size=80).map(lambda octets: b"\xdb" + octets) | st.binary(max_size=80))
def test_random_octets(apdu: bytes) -> None:
    with pytest.raises(PushError):
        unprotect(apdu, ENCRYPTION_KEY, AUTHENTICATION_KEY)


@pytest.mark.parametrize("keys", [(bytes(15), bytes(16)), (bytes(16), bytes(32))], ids=["first", "second"])
def test_keys_of_another_length_are_the_callers_mistake(keys: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="16 octets"):
        unprotect(apdus.WAN_ALARM, *keys)


def test_errors_hold_no_secrets() -> None:
    for apdu in (protect(apdus.KAIFA, 0x30)[:-1] + b"\0", protect(b"\x0fsecret", 0x20)):
        with pytest.raises(PushError) as info:
            unprotect(apdu, ENCRYPTION_KEY, AUTHENTICATION_KEY)
        assert info.value.__cause__ is None
        assert ENCRYPTION_KEY.hex() not in repr(info.value) + str(info.value)
        assert "secret" not in repr(info.value) + str(info.value)
