"""What onlookers are shown of a session: everything, plain, but nothing that is secret."""

import contextlib
import socket
from collections.abc import Callable

import pytest

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import (
    Data,
    DataType,
    Direction,
    Keys,
    Meter,
    Security,
    TraceRecord,
    errors,
    read_invocation_counter,
)
from osgp.protocol_dlms.describe import Describer
from osgp.protocol_dlms.settings import MeterAddress
from osgp.protocol_dlms.tracing import Tracer, find_user_information, replace_user_information
from tests.protocol_dlms.peers import (
    AUTHENTICATION_KEY,
    ENCRYPTION_KEY,
    METER_TITLE,
    RLRE,
    STOC,
    Answer,
    Peer,
    WrapperMeter,
    aare,
    initiate_response,
    receive_wrapped,
    seal,
    tlv,
    wrapped,
)
from tests.protocol_dlms.sessions import ENERGY, INVOCATION_COUNTER, UNRELEASED, session
from tests.protocol_dlms.test_services import NUMBER, saying

SECRET = b"Qz7#Xw9!Kj5$Vy3&"
SECRET_DATA = Data(DataType.OCTET_STRING, SECRET)
ECHO = "0910" + SECRET.hex()
ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))
SETUP = bytes((0, 0, 43, 0, 0, 255))
MBUS_CLIENT = bytes((0, 1, 24, 1, 0, 255))


def shown(records: list[TraceRecord]) -> str:
    """Everything that an onlooker gets: octets as text and in hexadecimal, and the descriptions."""
    describer = Describer()
    parts = []
    for record in records:
        text = describer.describe(record)
        parts += [record.apdu.hex(), record.apdu.decode("latin-1"), text.service, text.text, repr(record)]
    return "\n".join(parts)


def assert_hidden(records: list[TraceRecord], *secrets: bytes) -> None:
    everything = shown(records).lower()
    for secret in secrets:
        assert secret.hex() not in everything
        assert secret.decode("latin-1").lower() not in everything
    for record in records:
        for start, end in record.hidden:
            assert 0 <= start < end <= len(record.apdu)
            assert set(record.apdu[start:end]) == {ord("*")}


def traced(
    answer: Answer, use: Callable[[Meter], object], *, hls: bool = True, **options: object
) -> list[TraceRecord]:
    records: list[TraceRecord] = []
    meter_side = WrapperMeter(answer, hls=hls, **options)  # type: ignore[arg-type]
    with session(meter_side, hls=hls, trace=records.append, with_list_max=4) as meter:
        use(meter)
    return records


def test_every_apdu_is_shown_in_plain_form_in_its_order() -> None:
    records = traced(saying("c401II000600003039"), lambda meter: meter.get(ENERGY))
    sent, received = Direction.SENT, Direction.RECEIVED
    assert [record.direction for record in records] == [sent, received] * 4
    assert [record.apdu[0] for record in records] == [0x60, 0x61, 0xC3, 0xC7, 0xC0, 0xC4, 0x62, 0x63]
    assert [record.at for record in records] == sorted(record.at for record in records)
    # The initiate services as well, which travel ciphered within AARQ and AARE.
    assert find_user_information(records[0].apdu)[0] == 0x01
    assert find_user_information(records[1].apdu) == initiate_response()
    assert records[5].apdu == bytes.fromhex("c401c2000600003039")
    assert records[7].apdu == RLRE


def set_(class_id: int, logical_name: bytes, attribute_id: int) -> Callable[[Meter], object]:
    return lambda meter: meter.set(AttributeDescriptor(class_id, logical_name, attribute_id), SECRET_DATA)


def invoke(class_id: int, logical_name: bytes, method_id: int) -> Callable[[Meter], object]:
    return lambda meter: meter.invoke(MethodDescriptor(class_id, logical_name, method_id), SECRET_DATA)


def get(class_id: int, logical_name: bytes, attribute_id: int) -> Callable[[Meter], object]:
    return lambda meter: meter.get(AttributeDescriptor(class_id, logical_name, attribute_id))


SECRETS: list[tuple[Callable[[Meter], object], str]] = [
    (set_(15, ASSOCIATION, 7), "c501II00"),
    (get(15, ASSOCIATION, 7), "c401II00" + ECHO),
    (invoke(15, ASSOCIATION, 2), "c701II0000"),
    (invoke(64, SETUP, 2), "c701II0000"),
    (invoke(72, MBUS_CLIENT, 7), "c701II0000"),
    (invoke(72, MBUS_CLIENT, 8), "c701II000100" + ECHO),
    (set_(44, bytes((0, 0, 25, 3, 0, 255)), 5), "c501II00"),
    (set_(46, bytes((0, 0, 25, 5, 0, 255)), 4), "c501II00"),
]


@pytest.mark.parametrize("hls", [True, False])
@pytest.mark.parametrize(("use", "answer"), SECRETS)
def test_secret_data_are_blanked(use: Callable[[Meter], object], answer: str, hls: bool) -> None:
    records = traced(saying(answer), use, hls=hls)
    assert_hidden(records, SECRET)
    request = records[-4]
    assert request.direction == Direction.SENT
    assert len(request.apdu) >= 12
    # What it is about stays visible.
    assert b"*" not in request.apdu[:12]


@pytest.mark.parametrize("hls", [True, False])
@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        ("action", ["c704II00000001", "c704II00000002", "c704II00000003", "c701II0000"]),
        ("set", ["c502II00000001", "c502II00000002", "c502II00000003", "c503II0000000004"]),
    ],
)
def test_secret_data_in_blocks_are_blanked(request_: str, answers: list[str], hls: bool) -> None:
    data = Data(DataType.OCTET_STRING, SECRET * 8)

    def use(meter: Meter) -> None:
        if request_ == "set":
            meter.set(AttributeDescriptor(15, ASSOCIATION, 7), data)
        else:
            meter.invoke(MethodDescriptor(64, SETUP, 2), data)

    records = traced(saying(*answers, *answers[-1:] * 8), suppressed(use), hls=hls, size=100 if hls else 64)
    blocks = [record for record in records if record.apdu[0] in (0xC1, 0xC3) and record.hidden]
    assert len(blocks) >= 3
    assert_hidden(records, SECRET, SECRET[:3], SECRET[-3:])


def suppressed(use: Callable[[Meter], object]) -> Callable[[Meter], None]:
    def quietly(meter: Meter) -> None:
        with contextlib.suppress(errors.DlmsError):
            use(meter)

    return quietly


@pytest.mark.parametrize("hls", [True, False])
def test_a_secret_that_is_answered_in_blocks_is_blanked(hls: bool) -> None:
    first = "c402II000000000100" + "09" + ECHO[:18]
    last = "c402II010000000200" + "09" + ECHO[18:]
    records = traced(saying(first, last), get(15, ASSOCIATION, 7), hls=hls)
    assert_hidden(records, SECRET, SECRET[:6], SECRET[-6:])


@pytest.mark.parametrize("hls", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        "c401II0103",  # a refusal, which is shown
        "c501II03" + ECHO,  # the answer to another service
        "c403II0100" + ECHO,  # a list
        "c402II010000000100" + "12" + ECHO,
        "d80203" + ECHO,
        "0e010203" + ECHO,
        "c4",
        "aa" + ECHO,
        "c701II00010100" + ECHO,
    ],
)
def test_whatever_comes_in_answer_to_a_secret_request(answer: str, hls: bool) -> None:
    records = traced(saying(answer), suppressed(get(15, ASSOCIATION, 7)), hls=hls)
    assert_hidden(records, SECRET)
    assert records[-1].direction == Direction.RECEIVED or records[-1].apdu[0] == 0x62


def test_results_of_secret_requests_are_shown() -> None:
    refused = traced(saying("c401II0103"), suppressed(get(15, ASSOCIATION, 7)))
    assert Describer().describe(refused[-3]).text == "read-write-denied"
    done = traced(saying("c701II0000"), invoke(64, SETUP, 2))
    assert Describer().describe(done[-3]).text.splitlines()[0] == "success"


# Associations


def test_challenges_and_proofs_are_blanked() -> None:
    records = traced(saying("c401II000600003039"), lambda meter: meter.get(ENERGY))
    aarq, response, proof, answer = records[:4]
    ((start, end),) = aarq.hidden
    assert aarq.apdu[start - 4 : start] == bytes((0xAC, end - start + 2, 0x80, end - start))
    ((start, end),) = response.hidden
    assert end - start == len(STOC)
    # Descriptor and flag of the reply to HLS authentication, and its result.
    assert proof.hidden == ((13, len(proof.apdu)),)
    assert answer.hidden == ((4, len(answer.apdu)),)
    assert_hidden(records, STOC, AUTHENTICATION_KEY, ENCRYPTION_KEY)


PASSWORD = b"p4ssw0rd"


def lls(*answers: bytes) -> list[TraceRecord]:
    """A session with a password, of which the meter answers with these in turn."""
    records: list[TraceRecord] = []

    def talk(connection: socket.socket) -> None:
        for answer in answers:
            receive_wrapped(connection)
            connection.sendall(wrapped(answer))
        connection.recv(1)

    with (
        contextlib.suppress(errors.DlmsError),
        session(
            talk,
            security=Security.LLS,
            keys=Keys(lls_password=PASSWORD),
            deadlines=UNRELEASED,
            trace=records.append,
        ) as meter,
    ):
        meter.get(ENERGY)
    return records


def test_passwords_are_blanked() -> None:
    records = lls(aare(initiate_response()), bytes.fromhex("c401c1000600003039"))
    assert b"\xac\x0a\x80\x08********" in records[0].apdu
    assert_hidden(records, PASSWORD)


@pytest.mark.parametrize(
    "answer",
    [
        aare(initiate_response(), title=PASSWORD),
        aare(initiate_response(), stoc=PASSWORD),
        aare(initiate_response(), last=tlv(0x99, PASSWORD)),
        aare(PASSWORD),
        aare(initiate_response(), result=b"\x02\x01\x01", diagnostic=PASSWORD),
        aare(initiate_response())[:-4] + PASSWORD,
        b"\x61\x40" + PASSWORD,
        b"\xaa" + PASSWORD,
        b"\x61",
        b"\xd8\x02\x03" + PASSWORD,
        b"\x0e\x01\x02\x03" + PASSWORD,
    ],
)
def test_meters_that_give_passwords_away(answer: bytes) -> None:
    records = lls(answer)
    assert records[1].direction == Direction.RECEIVED
    assert_hidden(records, PASSWORD)


def test_a_password_that_comes_back_as_data() -> None:
    records = lls(aare(initiate_response()), bytes.fromhex("c401c10009") + bytes((8,)) + PASSWORD)
    assert_hidden(records, PASSWORD)
    assert records[3].hidden


def test_dedicated_keys_are_blanked() -> None:
    records: list[TraceRecord] = []
    information = b"\x01\x01\x10" + SECRET + bytes.fromhex("0000065f1f0400007e1fffff")
    Tracer(records.append, ()).show_association(Direction.SENT, tlv(0x60, tlv(0xBE, tlv(0x04, information))))
    assert_hidden(records, SECRET)
    assert "dedicated key: hidden" in Describer().describe(records[0]).text


# What cannot be deciphered


def forged(number: int, apdu: bytes) -> bytes:
    """The first answer to a GET with a bit turned over."""
    return apdu[:-1] + bytes((apdu[-1] ^ 1,)) if number == 2 else apdu


def test_an_answer_that_cannot_be_deciphered_is_shown_as_it_came() -> None:
    records = traced(saying("c401II000600003039"), suppressed(lambda meter: meter.get(ENERGY)), tamper=forged)
    assert records[-1].apdu[0] == 0xCC
    description = Describer().describe(records[-1])
    assert description.service == "glo-get-response"
    assert "invocation counter 3" in description.text


def test_an_association_response_that_cannot_be_deciphered_is_shown_as_it_came() -> None:
    content = seal(METER_TITLE, 0, initiate_response())
    answer = aare(tlv(0x28, content[:-1] + b"\x00"), context=3, title=METER_TITLE, stoc=STOC)
    records: list[TraceRecord] = []

    def talk(connection: socket.socket) -> None:
        receive_wrapped(connection)
        connection.sendall(wrapped(answer))
        connection.recv(1)

    with contextlib.suppress(errors.DlmsError), session(talk, trace=records.append):
        pass
    assert [record.apdu[0] for record in records] == [0x60, 0x61]
    assert content[5:-12] in records[1].apdu


def test_ciphered_errors_are_shown_in_plain_form() -> None:
    def answer(request: bytes) -> bytes:
        return bytes.fromhex("0e010203")

    def protect(number: int, apdu: bytes) -> bytes:
        return tlv(0x2E, seal(METER_TITLE, 5, apdu)) if number == 2 else apdu

    records = traced(answer, suppressed(lambda meter: meter.get(ENERGY)), tamper=protect)
    assert records[-1].apdu == bytes.fromhex("0e010203")


# The rest


def test_the_public_clients_session_is_shown() -> None:
    records: list[TraceRecord] = []
    meter_side = WrapperMeter(saying("c401II000600000007"), hls=False, client=16)
    with Peer(meter_side) as peer:
        address = MeterAddress("127.0.0.1", peer.port)
        assert read_invocation_counter(address, INVOCATION_COUNTER, trace=records.append) == 7
    assert [record.apdu[0] for record in records] == [0x60, 0x61, 0xC0, 0xC4, 0x62, 0x63]


@pytest.mark.parametrize("apdu", [b"\x61", b"\x61\x05\xbe\x7f", b"\x61\x02\xbe\x00", b"\x61\x84"])
def test_user_information_of_what_is_malformed(apdu: bytes) -> None:
    assert find_user_information(apdu) == b""
    assert replace_user_information(apdu, b"other") in (apdu, tlv(0x61, tlv(0xBE, tlv(0x04, b"other"))))


def test_lists_with_a_secret_in_them_are_asked_one_by_one() -> None:
    def use(meter: Meter) -> None:
        meter.set_many([(ENERGY, NUMBER), (AttributeDescriptor(15, ASSOCIATION, 7), SECRET_DATA)])
        meter.get_many([ENERGY, AttributeDescriptor(15, ASSOCIATION, 7)])

    answers = ("c501II00", "c501II00", "c401II000600003039", "c401II00" + ECHO)
    records = traced(saying(*answers), use)
    assert_hidden(records, SECRET)
    assert [record.apdu[:2].hex() for record in records[4:-2:2]] == ["c101", "c101", "c001", "c001"]
