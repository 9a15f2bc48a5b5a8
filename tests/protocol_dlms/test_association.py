"""Opening and ending an association with meters that do it by the book, and with those that do not."""

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.faults import Fault
from osgp.protocol_dlms import (
    Data,
    DataType,
    Framing,
    Keys,
    Limits,
    Meter,
    MeterAddress,
    Security,
    TraceRecord,
    errors,
    read_invocation_counter,
)
from osgp.protocol_dlms.association import parse_aare
from tests.protocol_dlms.peers import (
    AUTHENTICATION_KEY,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    METER_TITLE,
    STOC,
    Counter,
    Peer,
    WrapperMeter,
    aare,
    gmac,
    initiate_response,
    receive_wrapped,
    seal,
    tlv,
    wrapped,
)
from tests.protocol_dlms.sessions import ENERGY, INVOCATION_COUNTER, PATIENT, UNRELEASED, connect, session


def energy(request: bytes) -> bytes:
    """Answers every GET with 12345."""
    return b"\xc4\x01" + request[2:3] + bytes.fromhex("000600003039")


def answering(*answers: bytes, client: int = 1):
    """A peer that gives these answers in turn, whatever it is asked, and then waits."""

    def talk(connection: socket.socket) -> None:
        for answer in answers:
            receive_wrapped(connection)
            connection.sendall(wrapped(answer, client=client))
        connection.recv(1)

    return talk


def associate_with(answer: bytes, *, hls: bool = False, **settings: object) -> None:
    with session(answering(answer), hls=hls, deadlines=UNRELEASED, **settings):
        pass


@pytest.mark.parametrize("length", [8, 16, 47, 48, 64])
def test_hls_with_challenges_of_any_allowed_length(length: int) -> None:
    meter = WrapperMeter(energy)
    with session(meter, challenge_length=length) as client:
        assert client.get(ENERGY) == Data(DataType.DOUBLE_LONG_UNSIGNED, 12345)


def test_each_ciphered_apdu_and_proof_has_an_invocation_counter_of_its_own() -> None:
    counter = Counter(7)
    meter = WrapperMeter(energy)
    with session(meter, counter=counter) as client:
        for _ in range(20):
            client.get(ENERGY)
    # Proof and request of pass 3, twenty requests; the first one protected the AARQ.
    assert len(set(meter.counters)) == len(meter.counters) == 22
    assert sorted(meter.counters) == counter.taken[1:]
    assert client.statistics.invocation_counters == counter.taken
    assert client.statistics.round_trips == 23
    assert client.statistics.bytes_sent > 500
    assert client.statistics.bytes_received > 500


def test_lls_sends_the_password_and_no_ciphering() -> None:
    seen = []

    def talk(connection: socket.socket) -> None:
        seen.append(receive_wrapped(connection))
        connection.sendall(wrapped(aare(initiate_response())))
        connection.recv(1)

    with session(
        talk, security=Security.LLS, keys=Keys(lls_password=b"12345678"), counter=None, deadlines=UNRELEASED
    ):
        pass
    assert seen[0].hex() == (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
        "be10040e01000000065f1f0400005e1dffff"
    )


def test_refusals_of_the_association() -> None:
    user = b"\xa1\x03\x02\x01"
    for result, diagnostic, error, code in [
        (1, 13, errors.AuthenticationError, 223),
        (1, 11, errors.AuthenticationError, 223),
        (1, 12, errors.AuthenticationError, 223),
        (1, 14, errors.AuthenticationRequired, 224),
        (1, 1, errors.AssociationRejected, 228),
        (2, 1, errors.AssociationRejected, 228),
        (3, 0, errors.UnknownAssociationResult, 234),
        (0, 14, errors.AuthenticationRequired, 224),
    ]:
        answer = aare(
            initiate_response(), result=bytes((2, 1, result)), diagnostic=user + bytes((diagnostic,))
        )
        with pytest.raises(error) as refusal:
            associate_with(answer)
        assert type(refusal.value) is error
        assert refusal.value.code == code
        assert (refusal.value.result, refusal.value.diagnostic) == (result, diagnostic)


@pytest.mark.parametrize(
    ("result", "diagnostic", "text", "retryable"),
    [
        (1, "a1 03 020101", "rejected-permanent (1), acse-service-user: no-reason-given (1)", True),
        (1, "a1 03 020102", "acse-service-user: application-context-name-not-supported (2)", False),
        (1, "a1 03 020103", "acse-service-user: calling-AP-title-not-recognized (3)", False),
        (2, "a1 03 020103", "rejected-transient (2), acse-service-user: calling-AP-title", True),
        (1, "a1 03 02010d", "acse-service-user: authentication-failure (13)", False),
        (1, "a2 03 020101", "acse-service-provider: no-reason-given (1)", True),
        (1, "a2 03 020102", "acse-service-provider: no-common-acse-version (2)", False),
        # Of the provider this is no authentication-failure, whatever it is.
        (1, "a2 03 02010d", "acse-service-provider: unknown (13)", False),
        (3, "a1 03 020163", "association unknown (3), acse-service-user: unknown (99)", True),
    ],
)
def test_refusals_are_told_in_words(result: int, diagnostic: str, text: str, retryable: bool) -> None:
    """Green Book 9.5, AARE-apdu: Association-result and Associate-source-diagnostic."""
    answer = aare(None, result=bytes((2, 1, result)), diagnostic=bytes.fromhex(diagnostic))
    with pytest.raises(errors.AssociationRejected) as refusal:
        associate_with(answer)
    assert text in refusal.value.message
    assert refusal.value.retryable is retryable
    by_provider = diagnostic.startswith("a2")
    assert isinstance(refusal.value, errors.AuthenticationError) is (
        diagnostic.endswith("0d") and not by_provider
    )


def test_the_initiate_error_of_a_refusal_is_told() -> None:
    answer = aare(bytes.fromhex("0e010603"), result=b"\x02\x01\x01", diagnostic=b"\xa1\x03\x02\x01\x01")
    with pytest.raises(errors.AssociationRejected, match=r"initiate \(6\): pdu-size-too-short \(3\)"):
        associate_with(answer)


def test_wrong_keys_told_by_an_exception_response() -> None:
    """Seen in the field: state error 1 with deciphering-error (5), or with other-reason (3)."""
    for answers in ([bytes.fromhex("d80105")], [hls_aare(), bytes.fromhex("d80105")]):
        with (
            pytest.raises(errors.KeysNotAccepted, match="does not accept the keys") as refusal,
            session(answering(*answers)),
        ):
            pass
        assert (refusal.value.code, refusal.value.retryable) == (230, False)
        assert isinstance(refusal.value, errors.AuthenticationError)
    for answers in ([bytes.fromhex("d80103")], [hls_aare(), bytes.fromhex("d80103")]):
        with (
            pytest.raises(
                errors.ExceptionResponse, match=r"other-reason \(3\); some .* other keys"
            ) as refusal,
            session(answering(*answers)),
        ):
            pass
        assert (refusal.value.code, refusal.value.retryable) == (232, True)
    # Without ciphering it is not about keys.
    with pytest.raises(errors.ExceptionResponse) as refusal:
        associate_with(bytes.fromhex("d80103"))
    assert "keys" not in refusal.value.message


def test_an_invocation_counter_error_without_the_counter() -> None:
    """Seen in the field: the four octets are left out."""
    with pytest.raises(errors.InvocationCounterError) as refusal:
        associate_with(bytes.fromhex("d80106"), hls=True)
    assert (refusal.value.code, refusal.value.retryable) == (229, True)
    assert not isinstance(refusal.value, errors.InvocationCounterTooLow)


def test_a_refusal_without_any_user_information_or_with_an_initiate_error() -> None:
    for information in (None, bytes.fromhex("0e010603")):
        with pytest.raises(errors.AssociationRejected):
            associate_with(aare(information, result=b"\x02\x01\x01", diagnostic=b"\xa1\x03\x02\x01\x01"))


def test_a_missing_result_is_an_unknown_one() -> None:
    answer = tlv(0x61, tlv(0xA1, bytes.fromhex("060760857405080101")))
    with pytest.raises(errors.UnknownAssociationResult):
        associate_with(answer)


ODD_AARES = {
    "protocol version": {"first": bytes.fromhex("80020284")},
    "diagnostic of the service provider": {"diagnostic": b"\xa2\x03\x02\x01\x00"},
    "null diagnostic": {"diagnostic": b"\xa1\x02\x05\x00"},
    "empty diagnostic": {"diagnostic": b""},
    "invocation ids": {"last": bytes.fromhex("a603020101a703020101")},
    "unknown field": {"last": bytes.fromhex("9f03aabbcc")},
}


@pytest.mark.parametrize("odd", ODD_AARES.values(), ids=ODD_AARES.keys())
def test_odd_aares_are_understood(odd: dict[str, bytes]) -> None:
    associate_with(aare(initiate_response(), **odd))


def hls_meter_with(odd: dict[str, bytes]) -> WrapperMeter:
    class Odd(WrapperMeter):
        def _aare(self, counters):
            information = tlv(0x28, seal(METER_TITLE, next(counters), initiate_response()))
            fields = {"diagnostic": b"\xa1\x03\x02\x01\x0e", **odd}
            return aare(information, context=3, title=METER_TITLE, stoc=STOC, **fields)

    return Odd(energy)


@pytest.mark.parametrize("odd", ODD_AARES.values(), ids=ODD_AARES.keys())
def test_odd_aares_are_understood_with_hls_too(odd: dict[str, bytes]) -> None:
    with session(hls_meter_with(odd)) as client:
        assert client.get(ENERGY).value == 12345


@pytest.mark.parametrize(
    "information",
    [
        "0801010" + "6" + "5f1f040000721f04000007",
        "0800065f040000721f04000007",
        "0800065f1f040000721f00000007",
    ],
    ids=["quality of service", "old conformance tag", "no limit on size"],
)
def test_odd_initiate_responses_are_understood(information: str) -> None:
    associate_with(aare(bytes.fromhex(information)))


@pytest.mark.parametrize(
    "information",
    [
        "",
        "08",
        "0800055f1f040000721f04000007",
        "080006601f040000721f04000007",
        "0800065f1f030000721f04000007",
        "0800065f1f040000721f003f0007",
        "0800065f1f040000721f0400fa00",
        "0800065f1f040000721f",
        "0e010603",
        "0700",
    ],
    ids=[
        "empty", "cut", "version 5", "no conformance", "short conformance", "size 63", "short names",
        "cut late", "initiate error", "another tag",
    ],
)  # fmt: skip
def test_impossible_initiate_responses_are_refused(information: str) -> None:
    with pytest.raises(errors.IllegalResponse):
        associate_with(aare(bytes.fromhex(information)))


@pytest.mark.parametrize(
    "answer",
    [
        "60", "61", "6180", "618000", "6184ffffffff", "61057fff", "c401c100", "6103a20105",
        "6105a2030401ff", "6109890760857405080205"[:-2], "610aa40804" + "06" + "00" * 6,
    ],
)  # fmt: skip
def test_answers_that_are_no_aare(answer: str) -> None:
    with pytest.raises(errors.DlmsError) as refusal:
        associate_with(bytes.fromhex(answer))
    assert refusal.value.code in (232, 234)


@given(st.binary(max_size=120))
def test_any_octets_are_an_aare_or_refused(octets: bytes) -> None:
    for candidate in (octets, tlv(0x61, octets)):
        with contextlib.suppress(errors.IllegalResponse):
            parse_aare(candidate)


def test_exception_responses_to_the_association_request() -> None:
    with pytest.raises(errors.InvocationCounterTooLow) as refusal:
        associate_with(bytes.fromhex("d8010600001234"), hls=True)
    assert refusal.value.expected == 0x1234
    assert refusal.value.code == 229
    assert refusal.value.retryable
    with pytest.raises(errors.ExceptionResponse):
        associate_with(bytes.fromhex("d80101"))
    for cut in ("d8", "d801", "d80106000012", "0e", "0e0106"):
        with pytest.raises(errors.IllegalResponse):
            associate_with(bytes.fromhex(cut))


# HLS: what must not be believed


def hls_aare(**changes: object) -> bytes:
    fields = {
        "information": tlv(0x28, seal(METER_TITLE, 0, initiate_response())),
        "context": 3,
        "diagnostic": b"\xa1\x03\x02\x01\x0e",
        "title": METER_TITLE,
        "stoc": STOC,
        **changes,
    }
    return aare(**fields)  # type: ignore[arg-type]


def test_an_initiate_response_in_plain_although_ciphering_was_asked_for() -> None:
    with pytest.raises(errors.UnableToDecipher):
        associate_with(hls_aare(information=initiate_response()), hls=True)


def test_an_initiate_response_that_was_tampered_with() -> None:
    sealed = seal(METER_TITLE, 0, initiate_response())
    for position in range(len(sealed)):
        tampered = sealed[:position] + bytes((sealed[position] ^ 4,)) + sealed[position + 1 :]
        with pytest.raises(errors.UnableToDecipher):
            associate_with(hls_aare(information=tlv(0x28, tampered)), hls=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": None},
        {"title": METER_TITLE[:7]},
        {"title": CLIENT_TITLE},
        {"stoc": None},
        {"stoc": b"7 bytes"},
        {"stoc": bytes(65)},
        {"information": None},
        {"information": tlv(0x28, b"")},
        {"information": tlv(0x28, seal(METER_TITLE, 0, b""))},
    ],
    ids=str,
)
def test_an_association_response_that_hls_cannot_be_built_on(changes: dict[str, object]) -> None:
    with pytest.raises(errors.DlmsError) as refusal:
        associate_with(hls_aare(**changes), hls=True)
    assert refusal.value.code in (230, 232)


def test_another_system_title_than_the_one_that_sealed() -> None:
    with pytest.raises(errors.UnableToDecipher):
        associate_with(hls_aare(title=b"SOMEBODY"), hls=True)


def pass_4(response: bytes):
    """A meter that answers pass 3 with ``response``."""
    return answering(hls_aare(), tlv(0xCF, seal(METER_TITLE, 1, response)))


@pytest.mark.parametrize(
    "response",
    [
        "c701c103",
        "c701c10c00",
        "c701c10000",
        "c701c1000100" + "0911" + "00" * 17,
        "c701c1000100" + "0900",
        "c701c1000100" + "0600000000",
    ],
    ids=["denied", "type unmatched", "no proof", "wrong proof", "empty proof", "no octets"],
)
def test_a_meter_that_does_not_prove_itself(response: str) -> None:
    with pytest.raises(errors.AuthenticationError) as refusal, session(pass_4(bytes.fromhex(response))):
        pass
    assert refusal.value.code == 223
    assert not refusal.value.retryable


def test_our_own_proof_returned_is_none() -> None:
    """Reflection: the meter's own challenge as an answer to ours."""

    def talk(connection: socket.socket) -> None:
        receive_wrapped(connection)
        connection.sendall(wrapped(hls_aare()))
        receive_wrapped(connection)
        proof = gmac(CLIENT_TITLE, 101, STOC)
        response = bytes.fromhex("c701c10001000911") + proof
        connection.sendall(wrapped(tlv(0xCF, seal(METER_TITLE, 1, response))))
        connection.recv(1)

    with pytest.raises(errors.AuthenticationError), session(talk):
        pass


def test_our_own_challenge_returned_is_refused() -> None:
    def talk(connection: socket.socket) -> None:
        aarq = receive_wrapped(connection)
        after = aarq.split(b"\xac\x12\x80\x10", 1)[1]
        connection.sendall(wrapped(hls_aare(stoc=after[:16])))
        connection.recv(1)

    with pytest.raises(errors.AuthenticationError), session(talk):
        pass


# Settings


@pytest.mark.parametrize(
    ("settings", "error", "code"),
    [
        ({"keys": Keys()}, errors.KeyNotPresent, 806),
        ({"keys": Keys(authentication_key=bytes(16))}, errors.KeyNotPresent, 806),
        ({"keys": Keys(encryption_key=bytes(16))}, errors.KeyNotPresent, 806),
        ({"keys": Keys(bytes(15), bytes(16))}, errors.InvalidKeyFormat, 802),
        ({"keys": Keys(bytes(16), bytes(32))}, errors.InvalidKeyFormat, 802),
        ({"challenge_length": 7}, errors.ChallengeLengthOutOfRange, 213),
        ({"challenge_length": 65}, errors.ChallengeLengthOutOfRange, 213),
        ({"client_system_title": b"short"}, errors.InvalidSettings, 401),
        ({"counter": None}, errors.InvalidSettings, 401),
        ({"security": Security.LLS, "keys": Keys()}, errors.KeyNotPresent, 806),
        ({"security": Security.LLS, "keys": Keys(lls_password=bytes(65))}, errors.InvalidSettings, 401),
        ({"client_address": 0}, errors.InvalidSettings, 401),
        ({"client_address": 0x10000}, errors.InvalidSettings, 401),
        ({"client_address": 0x80, "hdlc": True}, errors.InvalidSettings, 401),
    ],
)
def test_settings_are_checked_before_anything_is_dialled(
    settings: dict[str, object], error: type[Fault], code: int
) -> None:
    # Nothing listens on port 1: a connection attempt would end in another error.
    with pytest.raises(error) as refusal:
        connect(1, **settings)  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (MeterAddress("", 4059), 212),
        (MeterAddress("  ", 4059), 212),
        (MeterAddress("127.0.0.1", 0), 401),
        (MeterAddress("127.0.0.1", 65536), 401),
        (MeterAddress("127.0.0.1", 4059, 0), 401),
        (MeterAddress("127.0.0.1", 4059, 0x10000), 401),
        (MeterAddress("127.0.0.1", 4059, 0x4000, Framing.HDLC), 401),
    ],
)
def test_addresses_are_checked_too(address: MeterAddress, code: int) -> None:
    with pytest.raises(errors.DlmsError) as refusal:
        Meter.connect(address, security=Security.NONE)
    assert refusal.value.code == code
    assert not refusal.value.retryable


def test_a_counter_beyond_32_bits_is_not_used() -> None:
    with Peer(WrapperMeter(energy)) as peer:
        with pytest.raises(errors.InvocationCounterExhausted):
            connect(peer.port, counter=Counter(2**32))
        with pytest.raises(errors.InvocationCounterExhausted):
            connect(peer.port, counter=Counter(2**32 - 2))


def test_secrets_are_in_no_repr_and_no_message() -> None:
    keys = Keys(b"authentication!!", b"encryption key!!", b"password")
    assert repr(keys) == "Keys()"
    with pytest.raises(errors.InvalidKeyFormat) as refusal:
        connect(1, keys=Keys(b"too short, secret", bytes(16)))
    assert "secret" not in str(refusal.value)


# Trace


def test_the_trace_shows_plain_apdus_and_no_secrets() -> None:
    records: list[TraceRecord] = []
    with session(WrapperMeter(energy), trace=records.append) as client:
        client.get(ENERGY)
    shown = [(str(record.direction), record.apdu) for record in records]
    assert ("sent", bytes.fromhex("c001c200030100010800ff0200")) in shown
    assert ("received", bytes.fromhex("c401c2000600003039")) in shown
    everything = b"".join(record.apdu for record in records)
    assert AUTHENTICATION_KEY not in everything
    assert ENCRYPTION_KEY not in everything
    assert all(record.at.tzinfo is not None for record in records)
    assert [record.at for record in records] == sorted(record.at for record in records)


def test_the_trace_hides_the_password() -> None:
    records: list[TraceRecord] = []
    keys = Keys(lls_password=b"p4ssw0rd")
    with session(
        answering(aare(initiate_response())),
        security=Security.LLS,
        keys=keys,
        deadlines=UNRELEASED,
        trace=records.append,
    ):
        pass
    assert b"p4ssw0rd" not in b"".join(record.apdu for record in records)
    assert b"\x80\x08********" in records[0].apdu


# Release


def test_release_ends_the_association_in_good_order() -> None:
    said = []
    meter = WrapperMeter(energy, released=lambda: said.append("goodbye") or bytes.fromhex("6303800100"))
    with session(meter) as client:
        client.get(ENERGY)
        client.release()
        client.release()
        assert not client.is_open
        with pytest.raises(errors.MeterClosed):
            client.get(ENERGY)
    assert said == ["goodbye"]


@pytest.mark.parametrize("answer", [None, b"\xd8\x01\x01", b"\x0e\x06\x01\x00", b"\x63", b"garbage"])
def test_odd_answers_to_the_release_are_tolerated(answer: bytes | None) -> None:
    with session(WrapperMeter(energy, released=lambda: answer), deadlines=UNRELEASED) as client:
        client.get(ENERGY)
    assert not client.is_open


def test_a_meter_that_never_answers_the_release_is_given_up() -> None:
    def talk(connection: socket.socket) -> None:
        receive_wrapped(connection)
        connection.sendall(wrapped(aare(initiate_response())))
        receive_wrapped(connection)
        connection.recv(1)

    with session(talk, hls=False, deadlines=UNRELEASED) as client:
        pass
    assert not client.is_open


# The public client


def public_meter(data: str, **options: object) -> WrapperMeter:
    def answer(request: bytes) -> bytes:
        assert request[3:] == bytes.fromhex("000100002b0100ff0200")
        return b"\xc4\x01" + request[2:3] + bytes.fromhex(data)

    return WrapperMeter(answer, hls=False, client=16, **options)  # type: ignore[arg-type]


def read_counter(peer: Peer) -> int:
    address = MeterAddress("127.0.0.1", peer.port)
    return read_invocation_counter(address, INVOCATION_COUNTER, PATIENT, Limits())


@pytest.mark.parametrize(
    ("data", "value"), [("00060001e240", 123456), ("0006ffffffff", 2**32 - 1), ("00120007", 7)]
)
def test_the_invocation_counter_is_read_through_the_public_client(data: str, value: int) -> None:
    with Peer(public_meter(data)) as peer:
        assert read_counter(peer) == value


@pytest.mark.parametrize("data", ["00090101", "0005ffffffff", "0015000000ffffffffff", "00"])
def test_an_invocation_counter_that_is_none(data: str) -> None:
    with Peer(public_meter(data)) as peer, pytest.raises(errors.IllegalResponse):
        read_counter(peer)


def test_an_invocation_counter_that_the_meter_does_not_show() -> None:
    with Peer(public_meter("0103")) as peer, pytest.raises(errors.AccessError):
        read_counter(peer)


def test_the_conformance_proposed() -> None:
    """Green Book 7.3.1: priority, block transfers, lists, selective access, get, set, action."""
    seen = []

    def talk(connection: socket.socket) -> None:
        seen.append(receive_wrapped(connection))
        connection.sendall(wrapped(aare(initiate_response())))

    with session(talk, hls=False, deadlines=UNRELEASED):
        pass
    proposed = int.from_bytes(seen[0][-5:-2], "big")
    bits = {bit for bit in range(24) if proposed >> (23 - bit) & 1}
    assert bits == {9, 11, 12, 13, 14, 19, 20, 21, 23}
