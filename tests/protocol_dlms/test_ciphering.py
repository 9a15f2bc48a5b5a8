"""AES-GCM in place of gurux's own: the same octets, and every tag checked."""

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import ciphering, errors
from osgp.protocol_dlms.ciphering import Ciphering, Deciphering, unprotect
from tests.protocol_dlms.peers import (
    AUTHENTICATION_KEY,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    METER_TITLE,
    gmac,
    seal,
)

STOCK_STREAM = importlib.import_module("gurux_dlms.GXDLMSChipperingStream").GXDLMSChipperingStream
CHIPPERING_MODULE = importlib.import_module("gurux_dlms.GXDLMSChippering")
PARAMETER = importlib.import_module("gurux_dlms.AesGcmParameter").AesGcmParameter
SECURITY = importlib.import_module("gurux_dlms.enums.Security").Security

# The worked example of the Green Book, 9.2.7.2.4 and 9.2.7.4.5.
EXAMPLE_TITLE = bytes.fromhex("4d4d4d0000bc614e")
EXAMPLE_CLIENT = bytes.fromhex("4d4d4d0000000001")
EXAMPLE_APDU = bytes.fromhex("c0010000080000010000ff0200")
EXAMPLE_COUNTER = 0x01234567


def protect_with_gurux(title: bytes, counter: int, key: bytes, plain: bytes) -> bytes:
    """What gurux makes of ``plain``."""
    parameter = PARAMETER(0xC8, title, key, AUTHENTICATION_KEY)
    parameter.security = SECURITY(0x30)
    parameter.invocationCounter = counter
    return bytes(CHIPPERING_MODULE.GXDLMSChippering.encryptAesGcm(parameter, plain))


@given(
    title=st.binary(min_size=8, max_size=8),
    counter=st.integers(0, 2**32 - 1),
    key=st.binary(min_size=16, max_size=16),
    plain=st.binary(min_size=1, max_size=300),
)
def test_protected_apdus_are_those_of_gurux_to_the_octet(
    title: bytes, counter: int, key: bytes, plain: bytes
) -> None:
    ours = Ciphering(key, AUTHENTICATION_KEY, title).protect(0xC8, counter, plain)
    assert ours == protect_with_gurux(title, counter, key, plain)


@given(plain=st.binary(min_size=1, max_size=300), counter=st.integers(0, 2**32 - 1))
def test_what_is_protected_can_be_unprotected(plain: bytes, counter: int) -> None:
    protected = Ciphering(ENCRYPTION_KEY, AUTHENTICATION_KEY, METER_TITLE).protect(0xC8, counter, plain)
    assert len(protected) <= len(plain) + ciphering.OVERHEAD
    assert unprotect(protected, deciphering()) == plain


def test_gurux_would_not_notice_a_wrong_tag() -> None:
    """Why answers are unprotected here and nowhere else."""
    content = bytearray(seal(METER_TITLE, 1, b"some plain octets"))
    content[-1] ^= 1
    aad, iv = b"\x30" + AUTHENTICATION_KEY, METER_TITLE + content[1:5]
    stream = STOCK_STREAM(SECURITY(0x30), True, ENCRYPTION_KEY, aad, iv, content[-12:])
    stream.write(content[5:-12])
    assert bytes(stream.flushFinalBlock()) == b"some plain octets"
    with pytest.raises(errors.UnableToDecipher):
        deciphering().unprotect(bytes(content))


def test_green_book_example_of_a_ciphered_get_request() -> None:
    protected = Ciphering(ENCRYPTION_KEY, AUTHENTICATION_KEY, EXAMPLE_TITLE).protect(
        0xC8, EXAMPLE_COUNTER, EXAMPLE_APDU
    )
    assert protected.hex() == "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"


def test_green_book_example_of_hls_with_gmac() -> None:
    key, authentication_key = ENCRYPTION_KEY, AUTHENTICATION_KEY
    of_client = ciphering.compute_gmac(key, authentication_key, EXAMPLE_CLIENT, 1, b"P6wRJ21F")
    assert of_client.hex() == "10000000011a52fe7dd3e72748973c1e28"
    of_meter = ciphering.compute_gmac(key, authentication_key, EXAMPLE_TITLE, EXAMPLE_COUNTER, b"K56iVagY")
    assert of_meter.hex() == "1001234567fe1466afb3dbcd4f9389e2b7"
    deciphering = Deciphering(key, authentication_key, EXAMPLE_TITLE)
    assert deciphering.verify_gmac(of_meter, authentication_key, b"K56iVagY")
    assert not deciphering.verify_gmac(of_client, authentication_key, b"P6wRJ21F")


def deciphering() -> Deciphering:
    return Deciphering(ENCRYPTION_KEY, AUTHENTICATION_KEY, METER_TITLE)


@given(counter=st.integers(0, 2**32 - 1), plain=st.binary(max_size=300))
def test_what_the_meter_seals_is_unprotected(counter: int, plain: bytes) -> None:
    assert deciphering().unprotect(seal(METER_TITLE, counter, plain)) == plain


@given(plain=st.binary(min_size=1, max_size=60), data=st.data())
def test_any_flipped_bit_is_noticed(plain: bytes, data: st.DataObject) -> None:
    content = bytearray(seal(METER_TITLE, 5, plain))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    meter = deciphering()
    with pytest.raises(errors.UnableToDecipher):
        meter.unprotect(bytes(content))
    assert meter.last_counter == -1


@given(content=st.binary(max_size=60))
def test_garbage_is_never_unprotected(content: bytes) -> None:
    with pytest.raises(errors.UnableToDecipher):
        deciphering().unprotect(content)


@pytest.mark.parametrize("control", [0x00, 0x10, 0x20, 0x31, 0x70, 0xB0])
def test_only_authenticated_encryption_of_suite_0_is_taken(control: int) -> None:
    with pytest.raises(errors.UnableToDecipher):
        deciphering().unprotect(seal(METER_TITLE, 5, b"x", control=control))


def test_another_meters_answer_is_not_taken() -> None:
    with pytest.raises(errors.UnableToDecipher):
        deciphering().unprotect(seal(CLIENT_TITLE, 5, b"x"))


def test_counters_may_start_at_0_and_must_rise() -> None:
    meter = deciphering()
    for counter in (0, 1, 5, 2**32 - 1):
        assert meter.unprotect(seal(METER_TITLE, counter, b"x")) == b"x"
    for counter in (2**32 - 1, 5, 0):
        with pytest.raises(errors.ReplayedCounter):
            meter.unprotect(seal(METER_TITLE, counter, b"x"))


@pytest.mark.parametrize("flip", range(17 * 8))
def test_a_proof_with_any_bit_flipped_is_no_proof(flip: int) -> None:
    proof = bytearray(gmac(METER_TITLE, 7, b"challenge"))
    assert deciphering().verify_gmac(bytes(proof), AUTHENTICATION_KEY, b"challenge")
    proof[flip // 8] ^= 1 << flip % 8
    assert not deciphering().verify_gmac(bytes(proof), AUTHENTICATION_KEY, b"challenge")


def test_a_proof_of_another_length_is_no_proof() -> None:
    proof = gmac(METER_TITLE, 7, b"challenge")
    assert not deciphering().verify_gmac(proof[:-1], AUTHENTICATION_KEY, b"challenge")
    assert not deciphering().verify_gmac(b"", AUTHENTICATION_KEY, b"challenge")
