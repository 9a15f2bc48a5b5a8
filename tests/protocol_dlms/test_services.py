"""GET, SET and ACTION over the wrapper, with every kind of answer that the Green Book knows."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.devices.models import KeyType
from osgp.messages.key_transfer import transfer
from osgp.protocol_dlms import (
    AccessResult,
    ActionResult,
    CaptureObjectDefinition,
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    EntryDescriptor,
    Limits,
    RangeDescriptor,
    TraceRecord,
    axdr,
    errors,
)
from tests.protocol_dlms.peers import Answer, Counter, Peer, WrapperMeter, ber_length
from tests.protocol_dlms.sessions import CLOCK, ENERGY, IMPATIENT, LOAD_PROFILE, RESET, connect, session

NUMBER = Data(DataType.DOUBLE_LONG_UNSIGNED, 12345)
ENERGY_HEX, CLOCK_HEX = "00030100010800ff02", "0008000001" + "0000ff02"


def saying(*bodies: str, requests: list[bytes] | None = None) -> Answer:
    """Answers with these in turn; ``II`` stands for the octet with the request's invoke id."""
    turn = iter(bodies)

    def answer(request: bytes) -> bytes:
        if requests is not None:
            requests.append(request)
        return bytes.fromhex(next(turn).replace("II", f"{request[2]:02x}"))

    return answer


def get(*bodies: str, limits: Limits | None = None) -> Data:
    with session(WrapperMeter(saying(*bodies)), limits=limits) as meter:
        return meter.get(ENERGY)


# GET


def test_the_time_for_an_answer_begins_when_there_is_a_counter() -> None:
    """More of them come from a database, which may be away for a while."""

    class Slow(Counter):
        def take_value(self) -> int:
            # The AARQ and the proof have taken three.
            if len(self.taken) == 3:
                time.sleep(1.1 * deadlines.apdu)
            return super().take_value()

    deadlines = Deadlines(connect=10, apdu=1.5, session=60, release=1.5)
    peer = WrapperMeter(saying("c401II000600003039"))
    with session(peer, counter=Slow(), deadlines=deadlines) as meter:
        assert meter.get(ENERGY) == NUMBER


@pytest.mark.parametrize("hls", [True, False])
def test_get(hls: bool) -> None:
    requests: list[bytes] = []
    with session(WrapperMeter(saying("c401II000600003039", requests=requests), hls=hls), hls=hls) as meter:
        assert meter.get(ENERGY) == NUMBER
    assert requests[0][:2].hex() + requests[0][3:].hex() == "c001" + ENERGY_HEX + "00"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (3, AccessResult.READ_WRITE_DENIED),
        (4, AccessResult.OBJECT_UNDEFINED),
        (99, AccessResult.OTHER_REASON),
    ],
)
def test_a_refused_attribute_leaves_the_association_alone(code: int, result: AccessResult) -> None:
    with session(WrapperMeter(saying(f"c401II01{code:02x}", "c401II000600003039"))) as meter:
        with pytest.raises(errors.AccessError) as refusal:
            meter.get(ENERGY)
        assert (refusal.value.result, refusal.value.descriptor) == (result, ENERGY)
        assert (refusal.value.code, refusal.value.retryable) == (412, False)
        assert "3/1-0:1.8.0.255/2" in str(refusal.value)
        assert meter.get(ENERGY) == NUMBER


def test_get_in_blocks() -> None:
    requests: list[bytes] = []
    meter_side = WrapperMeter(
        saying(
            "c402II 00 00000001 00 02 0904",
            "c402II 00 00000002 00 03 010203",
            "c402II 01 00000003 00 01 04",
            "c401II000600003039",
            requests=requests,
        )
    )
    with session(meter_side) as meter:
        assert meter.get(ENERGY) == Data(DataType.OCTET_STRING, bytes((1, 2, 3, 4)))
        assert meter.get(ENERGY) == NUMBER
    assert [request[:2].hex() + request[3:].hex() for request in requests[1:3]] == [
        "c00200000001",
        "c00200000002",
    ]
    assert requests[0][2] == requests[1][2] == requests[2][2] != requests[3][2]


def test_a_block_transfer_that_the_meter_ends() -> None:
    for ending in ("c402II 01 00000002 01 0f", "c401II 01 0f"):
        with pytest.raises(errors.AccessError) as refusal:
            get("c402II 00 00000001 00 02 0904", ending)
        assert refusal.value.result is AccessResult.LONG_GET_ABORTED


BROKEN_GETS = {
    "cut after the invoke id": ["c401II"],
    "cut after the choice": ["c401II00"],
    "cut amidst the data": ["c401II0006000030"],
    "only two octets": ["c401"],
    "another choice": ["c401II02"],
    "success without data": ["c401II0100"],
    "a result cut short": ["c401II01"],
    "another type": ["c404II00"],
    "a list": ["c403II0100"],
    "a set response": ["c501II00"],
    "an action response": ["c701II0000"],
    "data followed by more": ["c401II00060000303900"],
    "a block with a wrong number": ["c402II 01 00000002 00 02 0904"],
    "block zero": ["c402II 01 00000000 00 02 0904"],
    "a block cut short": ["c402II 01 00000001 00 05 0904"],
    "a block too long": ["c402II 01 00000001 00 01 0904"],
    "a block of 4 GiB": ["c402II 01 00000001 00 84ffffffff 0904"],
    "an empty block amidst": ["c402II 00 00000001 00 00"],
    "the same block again": ["c402II 00 00000001 00 02 0904", "c402II 00 00000001 00 02 0905"],
    "a list amidst blocks": ["c402II 00 00000001 00 02 0904", "c403II0100"],
    "data amidst blocks": ["c402II 00 00000001 00 02 0904", "c401II001101"],
}


OUT_OF_STEP = ("only two octets", "a set response", "an action response", "the same block again")
"""It is not certain that these answer the request at hand."""


@pytest.mark.parametrize("what", BROKEN_GETS)
def test_broken_answers_to_get(what: str) -> None:
    """An answer that is complete, authentic and to this request costs what it answers (docs/adr/0007)."""
    meter_side = WrapperMeter(saying(*BROKEN_GETS[what], "c401II000600003039"))
    with session(meter_side) as meter:
        with pytest.raises(errors.IllegalResponse) as refusal:
            meter.get(ENERGY)
        assert (refusal.value.code, refusal.value.retryable) == (232, True)
        if what in OUT_OF_STEP:
            assert not meter.is_open
        else:
            assert isinstance(refusal.value, errors.DecodeError)
            assert meter.get(ENERGY) == NUMBER


@pytest.mark.parametrize("what", [what for what in BROKEN_GETS if what not in OUT_OF_STEP])
def test_a_broken_answer_is_one_error_among_values(what: str) -> None:
    meter_side = WrapperMeter(saying("c401II001101", *BROKEN_GETS[what], "c401II000600003039"))
    with session(meter_side) as meter:
        first, broken, last = meter.get_each([ENERGY] * 3)
        assert (first, last) == (Data(DataType.UNSIGNED, 1), NUMBER)
        assert isinstance(broken, errors.DecodeError)


def test_a_block_of_an_impossible_length_costs_itself_alone() -> None:
    """Seen in the field: block 1, not the last, whose length of 68 octets is cut short."""
    with session(WrapperMeter(saying("c402II 00 00000001 00 c4", "c401II000600003039"))) as meter:
        with pytest.raises(errors.DecodeError, match="a length of 68 octets"):
            meter.get(ENERGY)
        assert meter.get(ENERGY) == NUMBER


def test_a_broken_profile_leaves_the_association_alone() -> None:
    bodies = ("c402II 00 00000001 00 c4", "c401II00 0102 0201", "c401II000100")
    with session(WrapperMeter(saying(*bodies))) as meter:
        for _ in range(2):
            with pytest.raises(errors.DecodeError):
                meter.read_profile(LOAD_PROFILE)
        assert meter.read_profile(LOAD_PROFILE) == []


def test_an_answer_to_another_request() -> None:
    with pytest.raises(errors.IllegalResponse, match="invoke id"):
        get("c401c5000600003039")


def test_after_a_broken_answer_the_meter_refuses_further_use() -> None:
    with session(WrapperMeter(saying("c401c5000600003039"))) as meter:
        with pytest.raises(errors.IllegalResponse):
            meter.get(ENERGY)
        assert not meter.is_open
        for use in (
            lambda: meter.get(ENERGY),
            lambda: meter.get_many([ENERGY, CLOCK]),
            lambda: meter.set(ENERGY, NUMBER),
            lambda: meter.set_many([(ENERGY, NUMBER)]),
            lambda: meter.invoke(RESET),
            lambda: meter.read_profile(LOAD_PROFILE),
        ):
            with pytest.raises(errors.MeterClosed) as refusal:
                use()
            assert refusal.value.code == 211
        meter.release()
        meter.close()


def test_data_that_cannot_be_decoded_leave_the_association_alone() -> None:
    with session(WrapperMeter(saying("c401II0063", "c401II000600003039"))) as meter:
        with pytest.raises(errors.DecodeError):
            meter.get(ENERGY)
        assert meter.get(ENERGY) == NUMBER


@pytest.mark.parametrize("more", ["00", "0000", "ff0000000000"])
def test_octets_after_the_clock_are_ignored(more: str) -> None:
    time = CosemDateTime(2024, 6, 1, hour=12, minute=0, deviation=-120, status=0x80)
    for tag in ("090c", "19"):
        data = get("c401II00" + tag + time.to_bytes().hex() + more)
        assert isinstance(data.value, bytes)
        assert CosemDateTime.from_bytes(data.value) == time
    longer = get("c401II00" + f"09{12 + len(more) // 2:02x}" + time.to_bytes().hex() + more)
    assert isinstance(longer.value, bytes)
    assert CosemDateTime.from_bytes(longer.value) == time


@pytest.mark.parametrize(
    ("attribute", "most"),
    [
        (ENERGY, 10_000),
        (AttributeDescriptor(7, bytes(6), 3), 10_000),
        (AttributeDescriptor(7, bytes(6), 2), 20_000),
        (AttributeDescriptor(7, bytes(6), 0), 20_000),
    ],
)
def test_endless_blocks_end_at_the_limit(attribute: AttributeDescriptor, most: int) -> None:
    """The rows of a buffer may be more than anything else."""

    def answer(request: bytes) -> bytes:
        number = int.from_bytes(request[3:7], "big") + 1 if request[1] == 2 else 1
        return (
            b"\xc4\x02"
            + request[2:3]
            + b"\x00"
            + number.to_bytes(4, "big")
            + b"\x00\x82\x03\x00"
            + bytes(768)
        )

    with session(WrapperMeter(answer), limits=Limits(value_size=10_000, buffer_size=20_000)) as meter:
        with pytest.raises(errors.ReplyTooLarge, match=str(most)) as refusal:
            meter.get(attribute)
        assert most < meter.statistics.bytes_received < 1.2 * most
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("answer", "text", "retryable"),
    [
        ("d80101", "exception-response: service-not-allowed (1), operation-not-possible (1)", True),
        ("d80102", "exception-response: service-not-allowed (1), service-not-supported (2)", False),
        ("d80103", "exception-response: service-not-allowed (1), other-reason (3)", True),
        ("d80104", "exception-response: service-not-allowed (1), pdu-too-long (4)", False),
        ("d80202", "exception-response: service-unknown (2), service-not-supported (2)", False),
    ],
)
def test_exception_responses_that_decline_this_request(answer: str, text: str, retryable: bool) -> None:
    with session(WrapperMeter(saying(answer, "c401II000600003039"))) as meter:
        with pytest.raises(errors.ExceptionResponse) as refusal:
            meter.get(ENERGY)
        assert (refusal.value.message, refusal.value.retryable) == (text, retryable)
        assert meter.get(ENERGY) == NUMBER


@pytest.mark.parametrize(
    ("answer", "error", "code", "text", "retryable"),
    [
        ("d80301", errors.ExceptionResponse, 232, "unknown (3), operation-not-possible (1)", True),
        ("d80107", errors.ExceptionResponse, 232, "service-not-allowed (1), unknown (7)", True),
        ("d80106", errors.InvocationCounterError, 229, "invocation-counter-error (6)", True),
        ("d80106000003e8", errors.InvocationCounterTooLow, 229, "at least 1000", True),
        ("d80105", errors.KeysNotAccepted, 230, "does not accept the keys .*deciphering-error (5)", False),
        (
            "0e050302",
            errors.ServiceErrorResponse,
            232,
            "confirmed-service-error: read (5), service (3): service-unsupported (2)",
            False,
        ),
        (
            "0e050000",
            errors.ServiceErrorResponse,
            232,
            "read (5), application-reference (0): other (0)",
            True,
        ),
        ("0e630b07", errors.ServiceErrorResponse, 232, "unknown (99), unknown (11): unknown (7)", True),
        ("0e050006", errors.KeysNotAccepted, 230, "deciphering-error (6)", False),
    ],
)
def test_error_responses_that_end_the_association(
    answer: str, error: type[errors.DlmsError], code: int, text: str, retryable: bool
) -> None:
    """Green Book 9.5, ExceptionResponse and ConfirmedServiceError; seen in the field: 1/5 for wrong keys, and
    an invocation-counter-error without the counter."""
    with session(WrapperMeter(saying(answer))) as meter:
        with pytest.raises(error, match=text.replace("(", r"\(").replace(")", r"\)")) as refusal:
            meter.get(ENERGY)
        assert type(refusal.value) is error
        assert (refusal.value.code, refusal.value.retryable) == (code, retryable)
        assert not meter.is_open


def test_a_meter_that_declines_one_request_after_another_has_lost_the_association() -> None:
    requests: list[bytes] = []
    bodies = ["d80101"] * 3 + ["c401II0103"] + ["d80101"] * 6
    with session(WrapperMeter(saying(*bodies, requests=requests))) as meter:
        for _ in bodies:
            assert meter.is_open
            with pytest.raises(errors.DlmsError):
                meter.get(ENERGY)
        assert not meter.is_open
    assert len(requests) == len(bodies)


@pytest.mark.parametrize("code", range(1, 20))
def test_which_access_results_are_worth_another_attempt(code: int) -> None:
    """Blue Book, data access results: temporary-failure, and transfers in blocks that broke off."""
    transient = code in (2, 14, 15, 16, 17, 18, 19)
    with session(WrapperMeter(saying(f"c401II01{code:02x}", f"c701II{code:02x}00"))) as meter:
        with pytest.raises(errors.AccessError) as refusal:
            meter.get(ENERGY)
        assert refusal.value.retryable is transient
        with pytest.raises(errors.AccessError) as refusal:
            meter.invoke(RESET)
        assert refusal.value.retryable is (transient and code <= 16)


# Lists


def test_get_many_without_lists_gets_one_after_another() -> None:
    for with_list_max, conformance in ((1, "00721f"), (0, "00721f"), (32, "007c1d")):
        requests: list[bytes] = []
        meter_side = WrapperMeter(
            saying("c401II001101", "c401II0103", "c401II001102", requests=requests),
            conformance=bytes.fromhex(conformance),
        )
        with session(meter_side, with_list_max=with_list_max) as meter:
            assert meter.get_many([ENERGY, CLOCK, ENERGY]) == [
                Data(DataType.UNSIGNED, 1),
                AccessResult.READ_WRITE_DENIED,
                Data(DataType.UNSIGNED, 2),
            ]
        assert [request[:2].hex() for request in requests] == ["c001"] * 3


def test_get_many_in_lists_of_at_most_so_many() -> None:
    requests: list[bytes] = []
    meter_side = WrapperMeter(
        saying("c403II02 001101 0104", "c403II02 001102 001103", "c401II001104", requests=requests)
    )
    with session(meter_side, with_list_max=2) as meter:
        values = meter.get_many([ENERGY, CLOCK, ENERGY, CLOCK, ENERGY])
    assert values == [
        Data(DataType.UNSIGNED, 1), AccessResult.OBJECT_UNDEFINED, Data(DataType.UNSIGNED, 2),
        Data(DataType.UNSIGNED, 3), Data(DataType.UNSIGNED, 4),
    ]  # fmt: skip
    assert requests[0][3:].hex() == "02" + ENERGY_HEX + "00" + CLOCK_HEX + "00"
    assert requests[2][:2].hex() == "c001"


def test_get_many_of_nothing() -> None:
    with session(WrapperMeter(saying())) as meter:
        assert meter.get_many([]) == []
        assert meter.set_many([]) == []


def test_a_list_is_no_longer_than_the_meter_can_receive() -> None:
    def answer(request: bytes) -> bytes:
        count = request[3] if request[1] == 3 else 0
        results = b"\x00\x11\x01" * (count or 1)
        return bytes((0xC4, request[1])) + request[2:3] + (bytes((count,)) if count else b"") + results

    meter_side = WrapperMeter(answer, size=100)
    with session(meter_side, with_list_max=50) as meter:
        assert meter.get_many([ENERGY] * 23) == [Data(DataType.UNSIGNED, 1)] * 23
    assert meter_side.longest_request <= 100


def test_a_list_in_blocks() -> None:
    meter_side = WrapperMeter(
        saying("c402II 00 00000001 00 05 0200090401", "c402II 01 00000002 00 05 0203040104")
    )
    with session(meter_side, with_list_max=2) as meter:
        assert meter.get_many([ENERGY, CLOCK]) == [
            Data(DataType.OCTET_STRING, bytes((1, 2, 3, 4))),
            AccessResult.OBJECT_UNDEFINED,
        ]


BROKEN_LISTS = [
    "c403II", "c403II00", "c403II01001101", "c403II03001101001101001101", "c403II0200110100",
    "c403II02001101", "c403II0200110100110100", "c403II84ffffffff", "c403II0200110102",
    "c401II001101", "c404II", "c403II020011010100", "c402II 00 00000001 00 c4", "c402II 01 00000002 00 00",
    "c401II0103", "c402II 01 00000001 01 03", "d80101", "d80102", "d80104", "d80202",
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN_LISTS)
def test_a_list_that_is_declined_or_broken_is_read_one_by_one(body: str) -> None:
    requests: list[bytes] = []
    meter_side = WrapperMeter(saying(body, "c401II001101", "c401II0103", requests=requests))
    with session(meter_side, with_list_max=2) as meter:
        assert meter.get_many([ENERGY, CLOCK]) == [Data(DataType.UNSIGNED, 1), AccessResult.READ_WRITE_DENIED]
        assert meter.is_open
    assert [request[1] for request in requests] == [3, 1, 1]


def test_the_error_of_one_of_many_is_raised_and_the_association_stays() -> None:
    bodies = ("c403II 02 001101 0077", "c401II001101", "c401II0077", "c401II000600003039")
    with session(WrapperMeter(saying(*bodies)), with_list_max=2) as meter:
        with pytest.raises(errors.DecodeError, match="119"):
            meter.get_many([ENERGY, CLOCK])
        assert meter.get(ENERGY) == NUMBER


# SET


def test_set() -> None:
    requests: list[bytes] = []
    with session(WrapperMeter(saying("c501II00", "c501II0c", requests=requests))) as meter:
        meter.set(ENERGY, NUMBER)
        with pytest.raises(errors.AccessError) as refusal:
            meter.set(ENERGY, NUMBER)
        assert refusal.value.result is AccessResult.TYPE_UNMATCHED
    assert requests[0][:2].hex() + requests[0][3:].hex() == "c101" + ENERGY_HEX + "00" + "0600003039"


def test_what_cannot_be_encoded_is_not_sent() -> None:
    requests: list[bytes] = []
    wrong = Data(DataType.UNSIGNED, 256)
    with session(WrapperMeter(saying("c501II00", requests=requests)), with_list_max=9) as meter:
        for use in (
            lambda: meter.set(ENERGY, wrong),
            lambda: meter.set_many([(ENERGY, NUMBER), (CLOCK, wrong)]),
            lambda: meter.invoke(RESET, wrong),
        ):
            with pytest.raises(errors.EncodeError):
                use()
        assert requests == []
        meter.set(ENERGY, NUMBER)


def test_set_many() -> None:
    requests: list[bytes] = []
    meter_side = WrapperMeter(saying("c505II020003", "c501II00", requests=requests))
    with session(meter_side, with_list_max=2) as meter:
        assert meter.set_many([(ENERGY, NUMBER), (CLOCK, NUMBER), (ENERGY, NUMBER)]) == [
            AccessResult.SUCCESS, AccessResult.READ_WRITE_DENIED, AccessResult.SUCCESS,
        ]  # fmt: skip
    expected = "02" + ENERGY_HEX + "00" + CLOCK_HEX + "00" + "02" + "0600003039" * 2
    assert requests[0][:2].hex() + requests[0][3:].hex() == "c104" + expected


@pytest.mark.parametrize("body", ["c501II", "c501II0000", "c502II00000001", "c505II0100", "c503II", "c507II"])
def test_the_outcome_of_a_set_whose_answer_is_broken_is_not_known(body: str) -> None:
    with session(WrapperMeter(saying(body, "c501II00"))) as meter:
        with pytest.raises(errors.OutcomeNotTold) as unknown:
            meter.set(ENERGY, NUMBER)
        assert (unknown.value.code, unknown.value.may_have_taken_effect) == (232, True)
        meter.set(ENERGY, NUMBER)


def test_an_answer_of_another_service_to_a_set_ends_the_association() -> None:
    with session(WrapperMeter(saying("c401II00"))) as meter:
        with pytest.raises(errors.IllegalResponse):
            meter.set(ENERGY, NUMBER)
        assert not meter.is_open


THREE = [(ENERGY, NUMBER), (CLOCK, NUMBER), (ENERGY, NUMBER)]


@pytest.mark.parametrize("declined", ["d80101", "d80102", "d80104", "d80202"])
def test_a_list_of_values_that_is_declined_at_once_is_sent_in_parts(declined: str) -> None:
    requests: list[bytes] = []
    bodies = (declined, declined, "c501II00", "c501II03", "c501II00")
    with session(WrapperMeter(saying(*bodies, requests=requests)), with_list_max=3) as meter:
        assert meter.set_many(THREE) == [
            AccessResult.SUCCESS, AccessResult.READ_WRITE_DENIED, AccessResult.SUCCESS,
        ]  # fmt: skip
    assert [request[1] for request in requests] == [4, 4, 1, 1, 1]


def test_a_list_of_values_that_may_have_been_set_is_not_sent_again() -> None:
    requests: list[bytes] = []
    bodies = ("d80103", "c505II0200", "c505II02", "c502II00000001", "c505II03000000")
    with session(WrapperMeter(saying(*bodies, requests=requests)), with_list_max=3) as meter:
        with pytest.raises(errors.ExceptionResponse):
            meter.set_many(THREE)
        for _ in range(3):
            with pytest.raises(errors.OutcomeNotTold):
                meter.set_many(THREE)
        assert meter.set_many(THREE) == [AccessResult.SUCCESS] * 3
    assert len(requests) == len(bodies)


def test_an_answer_to_a_change_that_fails_authentication_leaves_its_outcome_open() -> None:
    """The association is closed, and the fault says that what came of it should be read back."""
    for use in (lambda meter: meter.set(ENERGY, NUMBER), lambda meter: meter.invoke(RESET)):
        tampered = WrapperMeter(
            lambda request: bytes((request[0] + 4, 1)) + request[2:3] + b"\x00",
            tamper=lambda index, apdu: apdu[:-1] + bytes((apdu[-1] ^ 1,)) if index == 2 else apdu,
        )
        with session(tampered) as meter:
            with pytest.raises(errors.UnableToDecipher) as failure:
                use(meter)
            assert (failure.value.may_have_taken_effect, failure.value.retryable) == (True, False)
            assert not meter.is_open


class BlockTaker:
    """Takes SET or ACTION requests, in blocks or not, and keeps what they carry."""

    def __init__(self) -> None:
        self.carried = b""
        self.requests = 0

    def __call__(self, request: bytes) -> bytes:
        self.requests += 1
        service, kind, invoke_id, body = request[0], request[1], request[2:3], request[3:]
        if service == 0xC1 and kind == 1:
            self.carried = body[10:]
            return b"\xc5\x01" + invoke_id + b"\x00"
        if service == 0xC3 and kind == 1:
            self.carried = body[10:]
            return b"\xc7\x01" + invoke_id + b"\x00\x00"
        first = (service, kind) in ((0xC1, 2), (0xC1, 5), (0xC3, 4))
        if first:
            self.carried = b""
            if kind == 5:
                assert body[0] == 2
                body = body[1 + 2 * 10 :]
            else:
                assert body[:9].hex() == ENERGY_HEX[:-2] + body[8:9].hex()
                body = body[10:] if service == 0xC1 else body[9:]
        else:
            assert (service, kind) in ((0xC1, 3), (0xC3, 6))
        last, number = body[0], body[1:5]
        rest = body[5:]
        size = next(
            size
            for size in range(len(rest) + 1)
            if rest.startswith(ber_length(size)) and len(rest) - len(ber_length(size)) == size
        )
        self.carried += rest[len(ber_length(size)) :]
        if service == 0xC1:
            if not last:
                return b"\xc5\x02" + invoke_id + number
            if self.carried[:1] == b"\x02" and self.listed:
                return b"\xc5\x04" + invoke_id + b"\x02\x00\x03" + number
            return b"\xc5\x03" + invoke_id + b"\x00" + number
        return b"\xc7\x01" + invoke_id + b"\x00\x00" if last else b"\xc7\x04" + invoke_id + number

    listed = False


@pytest.mark.parametrize("hls", [True, False])
@pytest.mark.parametrize("size", [64, 65, 100, 191, 192, 300, 1024])
def test_long_values_are_sent_in_blocks_that_the_meter_can_take(size: int, hls: bool) -> None:
    taker = BlockTaker()
    meter_side = WrapperMeter(taker, size=size, hls=hls)
    with session(meter_side, hls=hls) as meter:
        meter_side.longest_request = 0
        for length in (0, 1, size - 50, size - 20, size - 10, size, 3 * size, 2000):
            data = Data(DataType.OCTET_STRING, bytes(index % 251 for index in range(length)))
            meter.set(ENERGY, data)
            assert taker.carried == axdr.encode(data)
            meter.invoke(RESET, data)
            assert taker.carried == axdr.encode(data)
    assert meter_side.longest_request <= size


def test_a_list_of_values_in_blocks() -> None:
    taker = BlockTaker()
    taker.listed = True
    data = Data(DataType.OCTET_STRING, bytes(90))
    with session(WrapperMeter(taker, size=100), with_list_max=2) as meter:
        assert meter.set_many([(ENERGY, data), (CLOCK, data)]) == [
            AccessResult.SUCCESS,
            AccessResult.READ_WRITE_DENIED,
        ]
    assert taker.carried == b"\x02" + axdr.encode(data) * 2


LONG = Data(DataType.OCTET_STRING, bytes(150))


@pytest.mark.parametrize("early", ["c501II03", "c503II 03 00000001", "c503II fa 00000001"])
def test_a_meter_may_refuse_before_the_last_block(early: str) -> None:
    with session(WrapperMeter(saying(early), size=100)) as meter:
        with pytest.raises(errors.AccessError):
            meter.set(ENERGY, LONG)
        assert meter.is_open


@pytest.mark.parametrize(
    ("bodies", "stays_open"),
    [
        (["c501II00"], True),
        (["c503II 00 00000001"], True),
        (["c502II 00000002"], True),
        (["c502II 0000"], True),
        (["c505II 0100"], True),
        (["c502II 00000001", "c502II 00000002", "c502II 00000003", "c502II 00000004"], True),
    ],
)
def test_broken_answers_to_blocks_of_set(bodies: list[str], stays_open: bool) -> None:
    with session(WrapperMeter(saying(*bodies), size=100)) as meter:
        with pytest.raises(errors.OutcomeNotTold if stays_open else errors.IllegalResponse):
            meter.set(ENERGY, LONG)
        assert meter.is_open is stays_open


# ACTION


def test_action() -> None:
    requests: list[bytes] = []
    meter_side = WrapperMeter(
        saying(
            "c701II0000",
            "c701II0001001105",
            "c701II00",
            "c701II000100",
            "c701II000101" + "00",
            requests=requests,
        )
    )
    with session(meter_side) as meter:
        assert meter.invoke(RESET) is None
        assert meter.invoke(RESET, Data(DataType.INTEGER, 0)) == Data(DataType.UNSIGNED, 5)
        assert meter.invoke(RESET) is None
    assert requests[0][:2].hex() + requests[0][3:].hex() == "c301" + ENERGY_HEX[:-2] + "01" + "00"
    assert requests[1][3:].hex() == ENERGY_HEX[:-2] + "01" + "01" + "0f00"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("c701II0300", ActionResult.READ_WRITE_DENIED),
        ("c701IIfa00", ActionResult.OTHER_REASON),
        ("c701II63", ActionResult.OTHER_REASON),
        ("c701II00010104", AccessResult.OBJECT_UNDEFINED),
    ],
)
def test_a_refused_method(body: str, result: ActionResult) -> None:
    with session(WrapperMeter(saying(body))) as meter:
        with pytest.raises(errors.AccessError) as refusal:
            meter.invoke(RESET)
        assert refusal.value.result == result
        assert refusal.value.descriptor == RESET
        assert meter.is_open


def test_the_return_value_in_blocks_with_or_without_result() -> None:
    for raw in ("000100" + "09020102", "09020102"):
        octets = bytes.fromhex(raw)
        meter_side = WrapperMeter(
            saying(
                "c702II 00 00000001" + f"{3:02x}" + octets[:3].hex(),
                "c702II 01 00000002" + f"{len(octets) - 3:02x}" + octets[3:].hex(),
            )
        )
        with session(meter_side) as meter:
            assert meter.invoke(RESET) == Data(DataType.OCTET_STRING, b"\x01\x02")


@pytest.mark.parametrize(
    "bodies",
    [
        ["c701II"], ["c701II0002"], ["c701II000000"], ["c701II000102"], ["c703II0000"], ["c704II00000001"],
        ["c702II 01 00000002 01 00"], ["c702II 00 00000001 00"], ["c702II 01 00000001 05 00"],
        ["c702II 00 00000001 01 09", "c701II0000"], ["c702II 00 00000001 01 09", "c702II 01 00000001 01 00"],
        ["c702II 01 00000001 02 0001"], ["c501II00"], ["c701II00010100" + "00"],
    ],
)  # fmt: skip
def test_broken_answers_to_action(bodies: list[str]) -> None:
    """Only an answer of another service, or a block out of sequence, ends the association."""
    ends = bodies[0].startswith("c5") or bodies[-1] == "c702II 01 00000001 01 00"
    with session(WrapperMeter(saying(*bodies))) as meter:
        with pytest.raises(errors.IllegalResponse if ends else errors.OutcomeNotTold):
            meter.invoke(RESET)
        assert meter.is_open is not ends


@pytest.mark.parametrize("body", ["c704II00000002", "c702II 01 00000001 00", "c701II0000"])
def test_broken_answers_to_blocks_of_action(body: str) -> None:
    with session(WrapperMeter(saying(body), size=100)) as meter:
        with pytest.raises(errors.OutcomeNotTold):
            meter.invoke(RESET, LONG)
        assert meter.is_open


def test_a_method_refused_before_the_last_block() -> None:
    with session(WrapperMeter(saying("c701II0300"), size=100)) as meter, pytest.raises(errors.AccessError):
        meter.invoke(RESET, LONG)


# Profiles

MIDNIGHT = CosemDateTime(2024, 1, 1, hour=0, minute=0, second=0, hundredths=0, deviation=-60, status=0)
MORNING = CosemDateTime(2024, 1, 1, hour=6, minute=0, second=0, hundredths=0, deviation=-60, status=0)


def test_profile_rows() -> None:
    row = "0203" + "090c" + MIDNIGHT.to_bytes().hex() + "1108" + "0600003039"
    with session(WrapperMeter(saying("c401II00" + "0102" + row + "0203001100" + "0600000001"))) as meter:
        assert meter.read_profile(LOAD_PROFILE) == [(MIDNIGHT.to_bytes(), 8, 12345), (None, 0, 1)]


def test_an_empty_profile() -> None:
    with session(WrapperMeter(saying("c401II000100", "c401II0000"))) as meter:
        assert meter.read_profile(LOAD_PROFILE) == []
        assert meter.read_profile(LOAD_PROFILE) == []


@pytest.mark.parametrize("data", ["1105", "0906010203040506", "010201"])
def test_what_is_no_profile(data: str) -> None:
    with session(WrapperMeter(saying("c401II00" + data))) as meter, pytest.raises(errors.DecodeError):
        meter.read_profile(LOAD_PROFILE)


def test_rows_that_are_no_structures_do_not_cost_the_others() -> None:
    with session(WrapperMeter(saying("c401II00" + "0103" + "1105" + "02011101" + "00"))) as meter:
        assert meter.read_profile(LOAD_PROFILE) == [(), (1,), ()]


def test_a_profile_by_range_and_columns() -> None:
    requests: list[bytes] = []
    columns = [CaptureObjectDefinition(CLOCK), CaptureObjectDefinition(ENERGY, 2)]
    with session(WrapperMeter(saying("c401II000100", requests=requests))) as meter:
        meter.read_profile(LOAD_PROFILE, RangeDescriptor(MIDNIGHT, MORNING, columns))
    clock = "0204 120008 0906 0000010000ff 0f02 120000"
    assert requests[0][3:] == bytes.fromhex(
        "0007 0100630100ff 02 01 01 0204" + clock
        + "19" + MIDNIGHT.to_bytes().hex() + "19" + MORNING.to_bytes().hex()
        + "0102" + clock + "0204 120003 0906 0100010800ff 0f02 120002"
    )  # fmt: skip


def test_a_range_with_octet_strings_and_all_columns() -> None:
    requests: list[bytes] = []
    first = Data(DataType.OCTET_STRING, MIDNIGHT.to_bytes())
    last = Data(DataType.OCTET_STRING, MORNING.to_bytes())
    with session(WrapperMeter(saying("c401II000100", requests=requests))) as meter:
        meter.read_profile(LOAD_PROFILE, RangeDescriptor(first, last))
    assert (
        requests[0]
        .hex()
        .endswith("090c" + MIDNIGHT.to_bytes().hex() + "090c" + MORNING.to_bytes().hex() + "0100")
    )


def test_a_profile_by_entry() -> None:
    requests: list[bytes] = []
    with session(WrapperMeter(saying("c401II000100", requests=requests))) as meter:
        meter.read_profile(LOAD_PROFILE, EntryDescriptor(3, 7, 1, 2))
    assert (
        requests[0][3:].hex()
        == "00070100630100ff02" + "0102" + "0204" + "0600000003" + "0600000007" + "120001" + "120002"
    )


@pytest.mark.parametrize(
    "selection", [EntryDescriptor(-1), EntryDescriptor(to_column=65536), EntryDescriptor(2**32)]
)
def test_entries_out_of_range(selection: EntryDescriptor) -> None:
    with pytest.raises(errors.EncodeError):
        selection.encode()


def test_a_refused_profile() -> None:
    with session(WrapperMeter(saying("c401II0104"))) as meter, pytest.raises(errors.AccessError):
        meter.read_profile(LOAD_PROFILE)


# Keys


def test_an_authentic_answer_confirms_the_keys_whatever_it_holds() -> None:
    with session(WrapperMeter(saying("c402II 00 00000001 00 c4", "c401II0103", "c401II0077"))) as meter:
        for _ in range(3):
            meter.confirm_keys(ENERGY)
        assert meter.is_open


@pytest.mark.parametrize("answer", ["d80105", "c401II001101"])
def test_keys_that_the_meter_does_not_have_after_all_are_worth_another_attempt(answer: str) -> None:
    """The next association finds out which keys it has."""
    meter_side = WrapperMeter(
        saying(answer), tamper=lambda index, apdu: apdu[:-1] + b"?" if apdu[0] == 0xCC else apdu
    )
    with session(meter_side) as meter:
        with pytest.raises((errors.KeysNotAccepted, errors.UnableToDecipher)) as failure:
            meter.confirm_keys(ENERGY)
        assert (failure.value.code, failure.value.retryable) == (230, True)
        assert not meter.is_open


@pytest.mark.parametrize("answer", ["c701II", "c701II0000", "d80105"])
def test_a_key_that_may_have_been_taken_ends_the_association(answer: str) -> None:
    meter_side = WrapperMeter(
        saying(answer),
        tamper=lambda index, apdu: (
            apdu[:-1] + b"?" if index == 2 and apdu[0] == 0xCF and len(answer) > 6 else apdu
        ),
    )
    profile = catalogue.find_profile("SMR", "5.1")
    with session(meter_side) as meter:
        with pytest.raises(errors.DlmsError) as failure:
            transfer(meter, profile, KeyType.E_METER_ENCRYPTION_KEY_UNICAST, bytes(16), bytes(16))
        assert failure.value.retryable
        assert not meter.is_open


# Any answer at all

APDUS = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.builds(
        lambda tag, kind, rest: bytes((tag, kind)) + b"\xc1" + rest,
        st.sampled_from([0xC4, 0xC5, 0xC7, 0xD8, 0x0E]),
        st.integers(0, 6),
        st.binary(max_size=60),
    ),
)


@settings(max_examples=100, deadline=None)
@given(APDUS)
def test_any_answer_is_understood_or_refused_with_a_typed_error(apdu: bytes) -> None:
    meter_side = WrapperMeter(lambda _: apdu, hls=False)
    with Peer(meter_side) as peer:
        for use in (
            lambda meter: meter.get(ENERGY),
            lambda meter: meter.get_many([ENERGY, CLOCK]),
            lambda meter: list(meter.get_each([ENERGY, CLOCK])),
            lambda meter: meter.set_many([(ENERGY, NUMBER), (CLOCK, NUMBER)]),
            lambda meter: meter.set(ENERGY, LONG),
            lambda meter: meter.invoke(RESET, NUMBER),
            lambda meter: meter.read_profile(LOAD_PROFILE),
        ):
            # Some of these answer nothing, and are waited behind.
            with connect(peer.port, hls=False, with_list_max=2, deadlines=IMPATIENT) as meter:
                try:
                    use(meter)
                except errors.DlmsError as error:
                    assert meter.is_open is not error.ends_association  # noqa: PT017


# Secrets


def test_the_trace_leaves_out_data_that_are_secret() -> None:
    records: list[TraceRecord] = []
    secret = b"the new password"
    association = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 7)
    key_transfer = MethodDescriptor(64, bytes((0, 0, 43, 0, 0, 255)), 2)
    meter_side = WrapperMeter(
        saying("c501II00", "c501II00", "c501II00", "c701II0000", "c401II0009" + "10" + secret.hex())
    )
    with session(meter_side, trace=records.append, with_list_max=4) as meter:
        meter.set(association, Data(DataType.OCTET_STRING, secret))
        meter.set_many([(ENERGY, NUMBER), (association, Data(DataType.OCTET_STRING, secret))])
        meter.invoke(key_transfer, Data(DataType.OCTET_STRING, secret))
        meter.get(association)
    everything = b"".join(record.apdu for record in records)
    assert secret not in everything
    assert association.logical_name in everything
