"""ACSE, negotiation and ciphering: the examples of the Green Book, and hostile input."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.simulator.codec import acse, initiate
from osgp.simulator.codec.ciphering import Cipher
from osgp.simulator.codec.cosem_time import decode_date_time, encode_date_time
from osgp.simulator.codec.errors import DecipheringError, RemoteProtocolError
from osgp.simulator.codec.exceptions import ServiceError, StateError, encode_exception_response
from osgp.simulator.codec.requests import decode_request

AARQ_LOW = bytes.fromhex(
    "6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738"
    "BE10040E01000000065F1F0400007E1F04B0"
)
AARE_ACCEPTED = "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400007C1F04000007"

ENCRYPTION_KEY = bytes(range(16))
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
SERVER_TITLE = bytes.fromhex("4D4D4D0000BC614E")
CLIENT_TITLE = bytes.fromhex("4D4D4D0000000001")
GET_CLOCK = bytes.fromhex("C0010000080000010000FF0200")
CIPHERED_GET_CLOCK = "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"


def test_the_aarq_of_the_book() -> None:
    request = acse.decode_association_request(AARQ_LOW)
    assert request.context == acse.ApplicationContext.LN
    assert request.mechanism == acse.Mechanism.LOW
    assert request.authentication_value == b"12345678"
    assert request.calling_ap_title is None
    assert request.user_information is not None
    proposal = initiate.decode_initiate_request(request.user_information)
    assert proposal.dlms_version == 6
    assert int(proposal.conformance) == 0x007E1F
    assert proposal.maximum_pdu_size == 1200
    assert proposal.dedicated_key is None


def test_the_aare_of_the_book() -> None:
    response = initiate.encode_initiate_response(initiate.Conformance(0x007C1F), 1024)
    aare = acse.encode_association_response(
        context=1, result=acse.AssociationResult.ACCEPTED, diagnostic=0, user_information=response
    )
    assert aare.hex().upper() == AARE_ACCEPTED


def test_initiate_request_with_all_its_options() -> None:
    key = bytes(range(16))
    apdu = b"\x01\x01\x10" + key + b"\x01\x00\x01\x05\x06\x5f\x1f\x04\x00\x00\x00\x1d\x00\x00"
    request = initiate.decode_initiate_request(apdu)
    assert request.dedicated_key == key
    assert request.response_allowed is False
    assert request.quality_of_service == 5
    assert request.maximum_pdu_size == 0


@given(st.integers(0, len(AARQ_LOW) - 1), st.integers(0, 255), st.integers(0, len(AARQ_LOW)))
def test_damaged_aarqs_decode_or_are_the_peers_error(place: int, octet: int, end: int) -> None:
    damaged = bytearray(AARQ_LOW)
    damaged[place] = octet
    for apdu in (bytes(damaged), AARQ_LOW[:end]):
        try:
            request = acse.decode_association_request(apdu)
            acse.has_protocol_version_1(apdu)
            initiate.decode_initiate_request(request.user_information or b"")
        except RemoteProtocolError:
            continue


@given(st.binary(max_size=60), st.sampled_from([b"\xc0", b"\xc1", b"\xc3"]), st.integers(1, 6))
def test_any_request_decodes_or_is_the_peers_error(octets: bytes, tag: bytes, kind: int) -> None:
    try:
        decode_request(tag + bytes((kind,)) + octets)
    except RemoteProtocolError:
        return


def test_a_release_request_with_and_without_reason() -> None:
    assert acse.decode_release_request(bytes.fromhex("6203800100")).reason == 0
    assert acse.decode_release_request(bytes.fromhex("6200")).reason is None
    assert acse.encode_release_response().hex() == "6303800100"


def test_exception_response_with_the_expected_counter() -> None:
    apdu = encode_exception_response(
        StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 0x1234
    )
    assert apdu.hex() == "d8010600001234"


def test_ciphering_is_that_of_the_book() -> None:
    # In the book's example the request goes out under the title and counter of the "server" key set.
    client = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, SERVER_TITLE, CLIENT_TITLE)
    assert client.encipher(0xC8, 0x01234567, GET_CLOCK).hex().upper() == CIPHERED_GET_CLOCK
    server = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, CLIENT_TITLE, SERVER_TITLE)
    assert server.decipher(bytes.fromhex(CIPHERED_GET_CLOCK)) == (0x01234567, GET_CLOCK)


def test_the_challenges_are_answered_as_in_the_book() -> None:
    client = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, CLIENT_TITLE, SERVER_TITLE)
    server = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, SERVER_TITLE, CLIENT_TITLE)
    answer = client.answer_challenge(1, b"P6wRJ21F")
    assert answer.hex().upper() == "10000000011A52FE7DD3E72748973C1E28"
    assert server.check_challenge(answer, b"P6wRJ21F") == 1
    proof = server.answer_challenge(0x01234567, b"K56iVagY")
    assert proof.hex().upper() == "1001234567FE1466AFB3DBCD4F9389E2B7"


@given(st.integers(0, 31), st.integers(0, 7))
def test_one_changed_bit_anywhere_is_noticed(place: int, bit: int) -> None:
    server = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, CLIENT_TITLE, SERVER_TITLE)
    damaged = bytearray.fromhex(CIPHERED_GET_CLOCK)
    damaged[place] ^= 1 << bit
    if place == 0:
        return  # the tag of the APDU is not protected
    with pytest.raises(RemoteProtocolError):
        server.decipher(bytes(damaged))


@pytest.mark.parametrize("place", range(17))
def test_one_changed_bit_in_the_answer_to_a_challenge_is_noticed(place: int) -> None:
    server = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, SERVER_TITLE, CLIENT_TITLE)
    damaged = bytearray.fromhex("10000000011A52FE7DD3E72748973C1E28")
    damaged[place] ^= 0x20
    with pytest.raises(DecipheringError):
        server.check_challenge(bytes(damaged), b"P6wRJ21F")


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        (datetime(2024, 1, 15, 11, 30, 5, tzinfo=UTC), "07e8010f010c1e0500ffc400"),
        (datetime(2024, 7, 15, 11, 30, 5, tzinfo=UTC), "07e8070f010d1e0500ff8880"),
        # both 02:30 of the night in which daylight saving ends
        (datetime(2024, 10, 27, 0, 30, tzinfo=UTC), "07e80a1b07021e0000ff8880"),
        (datetime(2024, 10, 27, 1, 30, tzinfo=UTC), "07e80a1b07021e0000ffc400"),
    ],
)
def test_local_time_with_deviation_and_daylight_saving(moment: datetime, octets: str) -> None:
    assert encode_date_time(moment.astimezone(AMSTERDAM)).hex() == octets
    assert decode_date_time(bytes.fromhex(octets), UTC) == moment


def test_time_without_deviation_is_local_and_seconds_may_be_open() -> None:
    octets = bytes.fromhex("07e8070fff0d1effff8000ff")
    assert decode_date_time(octets, AMSTERDAM) == datetime(2024, 7, 15, 11, 30, tzinfo=UTC)


@given(st.binary(min_size=10, max_size=14))
def test_any_date_time_is_a_moment_or_the_peers_error(octets: bytes) -> None:
    try:
        moment = decode_date_time(octets, UTC)
    except RemoteProtocolError:
        return
    assert moment.tzinfo is not None
