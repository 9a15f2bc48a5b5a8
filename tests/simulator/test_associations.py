"""Associations over real sockets: who gets in, who does not, and what the meter counts."""

from collections.abc import Iterator

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.codec.ciphering import Cipher
from osgp.simulator.meter.identity import KeyName

from .client import (
    CHALLENGE,
    CLIENT_TITLE,
    REPLY_TO_HLS,
    RawClient,
    aarq,
    action_normal,
    connected,
    get_normal,
    initiate_request,
    parse_aare,
)
from .meters import column, read

IMPORT = AttributeDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 2)
COUNTER = AttributeDescriptor(1, bytes((0, 0, 43, 1, 0, 255)), 2)
NOT_ASSOCIATED = "d80101"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """One meter for each test of each security."""
    with SimulatorThread(Fleet.build(60, security=["HLS5", "LLS", "NONE"])) as running:
        yield running


@pytest.fixture
def meters(simulator: SimulatorThread) -> dict[str, object]:
    """The next untouched meter of each security."""
    fresh = [meter for meter in simulator.meters.values() if not meter.is_touched]
    return {meter.security.value: meter for meter in reversed(fresh)}


@pytest.mark.parametrize("security", ["NONE", "LLS", "HLS5"])
def test_a_session_from_association_to_release(simulator, meters, security) -> None:
    meter = meters[security]
    with connected(simulator, meter) as client:
        client.associate()
        assert client.get(IMPORT).type is DataType.DOUBLE_LONG_UNSIGNED
        assert client.release().hex() == "6303800100"
        assert client.exchange(get_normal(IMPORT)).hex() == NOT_ASSOCIATED
    statistics = meter.memory.statistics
    assert (statistics.associations, statistics.releases, statistics.gets) == (1, 1, 1)
    assert meter.memory.counters.repeated == []


def test_the_counters_of_the_meter_rise_from_0(simulator, meters) -> None:
    with connected(simulator, meters["HLS5"]) as client:
        client.associate()
        client.get(IMPORT)
        client.get(IMPORT)
    # 0 was in the AARE, 1 in the proof, so the answer around it had 2
    assert client.server_counters == [2, 3, 4]


def test_the_public_client_reads_the_invocation_counter_and_little_else(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter, client_address=16) as client:
        client.associate()
        assert client.get(COUNTER) == Data(DataType.DOUBLE_LONG_UNSIGNED, 0)
        assert client.get(AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)).value == (
            meter.logical_device_name
        )
        assert client.get_result(IMPORT) == 3
        clock = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
        assert client.request(bytes.fromhex("c101c1") + b"\x00").hex() == "d80103"
        assert len(client.get(clock).value) == 12
    with connected(simulator, meter) as client:
        client.associate()
        highest = meter.memory.counters.highest
    with connected(simulator, meter, client_address=16) as client:
        client.associate()
        assert client.get(COUNTER).value == highest
    assert meter.memory.statistics.public_associations == 2


def test_requests_without_an_association_are_refused(simulator, meters) -> None:
    with connected(simulator, meters["HLS5"]) as client:
        assert client.exchange(get_normal(IMPORT)).hex() == NOT_ASSOCIATED
        assert client.release().hex() == NOT_ASSOCIATED
        client.cipher = client.make_cipher()
        assert client.request(get_normal(IMPORT)).hex() == NOT_ASSOCIATED


def refused(client: RawClient, apdu: bytes) -> tuple[int, int]:
    """Result and diagnostic of the AARE that an AARQ gets."""
    aare = parse_aare(client.exchange(apdu))
    return aare.result, aare.diagnostic


def test_what_is_wrong_with_an_association_request_is_told(simulator, meters) -> None:
    plain = initiate_request()
    with connected(simulator, meters["LLS"]) as client:
        assert refused(client, aarq(plain)) == (1, 14)
        assert refused(client, aarq(plain, mechanism=0)) == (1, 14)
        assert refused(client, aarq(plain, mechanism=5, value=CHALLENGE)) == (1, 11)
        assert refused(client, aarq(plain, mechanism=1, value=b"wrong")) == (1, 13)
        assert refused(client, aarq(plain, mechanism=1)) == (1, 13)
        assert refused(client, aarq(plain, context=2)) == (1, 2)
        assert refused(client, aarq(plain, context=3)) == (1, 2)
        assert refused(client, aarq(plain, extra=b"\x80\x02\x06\x40")) == (1, 2)
        assert refused(client, aarq(b"")) == (1, 14)
    with connected(simulator, meters["LLS"], client_address=5) as client:
        assert refused(client, aarq(plain)) == (1, 1)
    assert meters["LLS"].memory.statistics.refused_associations == 10
    assert meters["LLS"].memory.statistics.authentication_failures == 2
    assert column(read(meters["LLS"], "FRAUD_DETECTION_EVENT_LOG"), 1)[-2:] == [46, 46]


def test_what_is_wrong_with_the_proposed_context_is_told(simulator, meters) -> None:
    with connected(simulator, meters["NONE"]) as client:
        for request, error in (
            (initiate_request(version=5), "0e010601"),
            (initiate_request(conformance=0x000008), "0e010602"),
            (initiate_request(pdu_size=11), "0e010603"),
        ):
            aare = parse_aare(client.exchange(aarq(request)))
            assert (aare.result, aare.diagnostic) == (1, 1)
            assert aare.fields[0xBE][2:].hex() == error
        # after all that the client may still do it right
        client.associate()


def test_a_high_level_association_wants_keys_title_and_challenge(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as client:
        good = client.cipher = client.make_cipher()

        def attempt(cipher: Cipher, **changes) -> tuple[int, int]:
            information = cipher.encipher(0x21, client.take_counter(), initiate_request())
            wanted = {"context": 3, "mechanism": 5, "value": CHALLENGE, "title": CLIENT_TITLE}
            return refused(client, aarq(information, **(wanted | changes)))

        assert attempt(good, context=1) == (1, 2)
        assert attempt(good, mechanism=None) == (1, 14)
        assert attempt(good, title=None) == (1, 3)
        assert attempt(good, title=b"short") == (1, 3)
        assert attempt(good, title=b"CLI00002") == (1, 13)
        assert attempt(good, value=b"7octets") == (1, 13)
        wrong = Cipher(bytes(16), meter.key(KeyName.AUTHENTICATION), CLIENT_TITLE, meter.system_title)
        assert attempt(wrong) == (1, 13)
        wrong = Cipher(meter.key(KeyName.ENCRYPTION), bytes(16), CLIENT_TITLE, meter.system_title)
        assert attempt(wrong) == (1, 13)
        in_plain = aarq(initiate_request(), context=3, mechanism=5, value=CHALLENGE, title=CLIENT_TITLE)
        assert refused(client, in_plain) == (1, 1)


def test_a_wrong_answer_to_the_challenge_ends_the_association(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as client:
        assert client.open().result == 0
        # nothing else is allowed before the challenge is answered
        assert client.request(get_normal(IMPORT)).hex() == NOT_ASSOCIATED
        proof = client.cipher.answer_challenge(client.take_counter(), b"another challenge")
        assert client.request(action_normal(REPLY_TO_HLS, Data(9, proof)))[3] == 3
        assert client.exchange(client.encipher(get_normal(IMPORT))).hex() == NOT_ASSOCIATED
    assert meter.memory.statistics.associations == 0
    assert meter.memory.statistics.authentication_failures == 1
    assert column(read(meter, "FRAUD_DETECTION_EVENT_LOG"), 1)[-1] == 46


def test_a_counter_that_does_not_rise_is_refused_with_the_expected_one(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as client:
        client.associate()
        client.get(IMPORT)
        highest = meter.memory.counters.highest
        client.counter = highest
        assert client.request(get_normal(IMPORT)).hex() == f"d80106{highest + 1:08x}"
        client.counter = highest + 10
        client.get(IMPORT)
        client.counter = highest + 3
        assert client.request(get_normal(IMPORT)).hex() == f"d80106{highest + 11:08x}"
    # only the first of the two had been used before
    assert meter.memory.counters.repeated == [highest]
    assert meter.memory.statistics.invocation_counter_refusals == 2

    # the meter remembers over associations, and tells in answer to the AARQ too
    client = RawClient(simulator, meter, counter=5)
    client.cipher = client.make_cipher()
    information = client.cipher.encipher(0x21, 5, initiate_request())
    request = aarq(information, context=3, mechanism=5, value=CHALLENGE, title=CLIENT_TITLE)
    assert client.exchange(request).hex() == f"d80106{highest + 11:08x}"
    client.close()


def test_a_damaged_or_plain_request_is_refused(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as client:
        client.associate()
        ciphered = client.encipher(get_normal(IMPORT))
        assert client.exchange(ciphered[:-1] + bytes((ciphered[-1] ^ 1,))).hex() == "d80105"
        assert client.exchange(get_normal(IMPORT)).hex() == "d80103"
        assert client.exchange(b"\xd0\x00").hex() == "d80202"
        assert client.exchange(b"\xc8\x02\x30\x00").hex() == "d80103"
        # a SET where the tag says GET
        assert client.exchange(client.encipher(b"\xc1\x01\xc1", tag=0xC8)).hex() == "d80103"
        client.get(IMPORT)
    assert meter.memory.statistics.authentication_failures == 1


def test_one_management_association_at_a_time(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as first:
        first.associate()
        with connected(simulator, meter) as second:
            aare = second.open()
            assert (aare.result, aare.diagnostic) == (2, 1)
        with connected(simulator, meter, client_address=16) as public:
            public.associate()
        first.counter = meter.memory.counters.highest + 1
        first.get(IMPORT)
        first.release()
        with connected(simulator, meter) as third:
            third.associate()
    assert meter.memory.statistics.concurrent_associations == 1
    assert meter.memory.statistics.associations == 2


def test_a_ciphered_release_is_checked(simulator, meters) -> None:
    meter = meters["HLS5"]
    with connected(simulator, meter) as client:
        client.associate()
        information = client.cipher.encipher(0x21, client.take_counter(), initiate_request())
        damaged = information[:-1] + bytes((information[-1] ^ 1,))
        release = b"\x80\x01\x00\xbe" + bytes((len(information) + 2, 4, len(information)))
        assert (
            client.exchange(bytes((0x62, len(release) + len(damaged))) + release + damaged).hex() == "d80105"
        )
        answer = client.exchange(bytes((0x62, len(release) + len(information))) + release + information)
        assert answer.hex() == "6303800100"


def test_a_second_association_request_on_an_association_is_refused(simulator, meters) -> None:
    with connected(simulator, meters["NONE"]) as client:
        client.associate()
        assert client.exchange(aarq(initiate_request())).hex() == NOT_ASSOCIATED
        client.get(IMPORT)
