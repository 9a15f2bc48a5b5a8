"""Which addresses are dialled, whatever the carrier; and what faults tell of those who are no meters."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from osgp.catalogue.communication import Carrier, Framing
from osgp.faults import FaultCode
from osgp.ip_addresses import Address
from osgp.protocol_dlms import Deadlines, Line, Meter, MeterAddress, Security, errors
from osgp.protocol_dlms.reaching import reach
from osgp.protocol_dlms.transport import destinations, names
from tests.protocol_dlms.datagram_peers import DatagramMeter
from tests.protocol_dlms.peers import Peer, WrapperMeter, wrapped
from tests.protocol_dlms.sessions import ENERGY, IMPATIENT, connect, session
from tests.protocol_dlms.talking import counting

CARRIERS = pytest.mark.parametrize(
    ("carrier", "framing"),
    [(Carrier.TCP, Framing.WRAPPER), (Carrier.TCP, Framing.HDLC), (Carrier.UDP, Framing.WRAPPER)],
    ids=lambda value: str(value),
)
NAME = "meter.example"


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sequence[str]]]:
    """What names lead to; those that are not in it do not exist."""
    known: dict[str, Sequence[str]] = {}

    def look_up(name: str) -> Sequence[str]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "")
        return known[name]

    former = names._Process.names
    names.use(names.Names(look_up))
    yield known
    names.use(former)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where sockets were told to connect to."""
    told = []

    class Told(socket.socket):
        def connect(self, address: tuple[str, int]) -> None:
            told.append(address)
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Told)
    return told


def only(*hosts: str) -> destinations.Guard:
    return lambda address, port: str(address) in hosts


@CARRIERS
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", NAME])
def test_what_is_refused_is_not_even_touched(
    dns: dict[str, Sequence[str]],
    connected: list[tuple[str, int]],
    host: str,
    carrier: Carrier,
    framing: Framing,
) -> None:
    dns[NAME] = ["127.0.0.1", "::1"]
    address = MeterAddress(host, 4059, framing=framing, carrier=carrier)
    with destinations.using(destinations.refuse_special):
        with pytest.raises(errors.AddressNotAllowed) as associating:
            Meter.connect(address, security=Security.NONE)
        with pytest.raises(errors.AddressNotAllowed) as reaching:
            reach(address, Deadlines())
    assert connected == []
    fault = associating.value
    assert (fault.code, fault.retryable) == (FaultCode.INVALID_IP_ADDRESS, False)
    assert fault.message == reaching.value.message
    assert fault.message == f"no meter is dialled at {host} port 4059: it is not allowed"


def test_the_fault_does_not_tell_whether_anything_listens_there() -> None:
    told = set()
    with Peer(lambda connection: None) as peer, destinations.using(destinations.refuse_special):
        for each in (peer.port, 65535):
            with pytest.raises(errors.AddressNotAllowed) as refusal:
                connect(each)
            told.add(refusal.value.message.replace(str(each), "PORT"))
    assert len(told) == 1


def test_addresses_of_a_name_that_are_refused_are_left_out(
    dns: dict[str, Sequence[str]], connected: list[tuple[str, int]]
) -> None:
    """A name that leads to a meter and to what only the platform can reach."""
    dns[NAME] = ["127.0.0.2", "127.0.0.1", "::1"]
    with (
        destinations.using(only("127.0.0.1")),
        Peer(WrapperMeter(counting(), hls=False)) as peer,
        connect(peer.port, hls=False, address=MeterAddress(NAME, peer.port)) as meter,
    ):
        assert meter.get(ENERGY).value == 1
    assert connected == [("127.0.0.1", peer.port)]


def test_a_name_is_looked_up_once_and_what_was_judged_is_dialled(
    dns: dict[str, Sequence[str]], connected: list[tuple[str, int]]
) -> None:
    """A name server that gives another answer the next time gains nothing: there is no next time."""
    dns[NAME] = ["127.0.0.1"]
    judged = []

    def guard(address: Address, port: int) -> bool:
        judged.append((str(address), port))
        dns[NAME] = ["127.0.0.9"]
        return True

    with (
        destinations.using(guard),
        Peer(WrapperMeter(counting(), hls=False)) as peer,
        connect(peer.port, hls=False, address=MeterAddress(NAME, peer.port)) as meter,
    ):
        assert meter.get(ENERGY).value == 1
    assert connected == judged == [("127.0.0.1", peer.port)]


def test_datagrams_are_sent_to_what_was_judged(dns: dict[str, Sequence[str]]) -> None:
    dns[NAME] = ["127.0.0.2", "127.0.0.1"]
    with DatagramMeter(WrapperMeter(counting(), hls=False)) as peer, destinations.using(only("127.0.0.1")):
        address = MeterAddress(NAME, peer.port, carrier=Carrier.UDP)
        with connect(peer.port, hls=False, address=address) as meter:
            assert meter.get(ENERGY).value == 1


def test_the_guard_is_asked_for_each_port(dns: dict[str, Sequence[str]]) -> None:
    with Peer(WrapperMeter(counting(), hls=False)) as peer:
        with (
            destinations.using(lambda address, port: port != peer.port),
            pytest.raises(errors.AddressNotAllowed),
        ):
            connect(peer.port, hls=False)
        with destinations.using(lambda address, port: port == peer.port), connect(peer.port, hls=False):
            pass


def test_a_process_without_a_guard_refuses_special_addresses() -> None:
    program = (
        "from osgp.protocol_dlms.transport.destinations import may_dial\n"
        "print([may_dial(host, 4059) for host in ('127.0.0.1', '::ffff:127.0.0.1', '10.0.0.1')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[False, False, True]"


# Names


def test_a_host_that_does_not_exist_is_final(dns: dict[str, Sequence[str]]) -> None:
    with pytest.raises(errors.NameNotFound, match=r"^there is no host nobody\.example$") as failure:
        connect(1, address=MeterAddress(" nobody.example", 1))
    assert (failure.value.code, failure.value.retryable) == (FaultCode.CONNECTION_ESTABLISH_ERROR, False)


def test_a_name_has_a_deadline_of_its_own_and_the_fault_says_so() -> None:
    ended = threading.Event()
    former = names._Process.names
    names.use(names.Names(lambda name: [str(ended.wait(60))]))
    try:
        with pytest.raises(
            errors.NameNotResolved, match=r"^the name slow\.example was not .* in 0\.05 s$"
        ) as late:
            connect(1, address=MeterAddress("slow.example", 1), deadlines=replace(IMPATIENT, name=0.05))
        assert (late.value.code, late.value.retryable) == (FaultCode.CONNECTION_ESTABLISH_ERROR, True)
        with Peer(WrapperMeter(counting(), hls=False)) as peer, connect(peer.port, hls=False) as meter:
            assert meter.get(ENERGY).value == 1
    finally:
        ended.set()
        names.use(former)


def test_who_hangs_up_during_a_lookup_is_not_dialled(connected: list[tuple[str, int]]) -> None:
    line, former = Line(), names._Process.names

    def look_up(name: str) -> Sequence[str]:
        line.hang_up()
        return ["127.0.0.1"]

    names.use(names.Names(look_up))
    try:
        with pytest.raises(errors.MeterClosed):
            connect(1, address=MeterAddress(NAME, 1), line=line)
    finally:
        names.use(former)
    assert connected == []


# What faults tell of foreign octets

BANNERS = {
    "PostgreSQL": b"E\x00\x00\x00\x9bSFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol 1.1\x00",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n",
    "MySQL": b"J\x00\x00\x00\n8.0.36\x00" + bytes(range(64)),
    "Redis": b"-ERR unknown command 'SESAME', with args beginning with: \r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nServer: secret/1.0\r\n\r\n",
    "like a wrapper": b"\x00\x01\x53\x55\x42\x56\x30\x39" + b"SESAME" * 3000,
    "like an APDU": wrapped(b"SESAME 21331"),
    "like an AARE": wrapped(b"\x61\x85SESAME"),
    "like an error": wrapped(b"\x0eSESAME"),
    "a long APDU": b"\x00\x01\x00\x01\x00\x01\xff\xf8" + b"SESAME" * 20,
    "like HDLC": b"\x7e\xa0\x1eSESAME SESAME SESAME SESAME SESAME\x7e" * 3,
    "noise": b"SESAME" * 4000,
}
SAID = ("SESAME", "SSH", "FATAL", "8.0", "HTTP", "secret", "21331", "0x", "65528", "21333", "4a", "53 ")


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "HDLC"])
@pytest.mark.parametrize("banner", BANNERS)
def test_faults_tell_nothing_of_what_is_no_meter(banner: str, hdlc: bool) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(BANNERS[banner])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    recorded = []
    with (
        pytest.raises(errors.DlmsError) as failure,
        session(talk, hdlc=hdlc, trace=recorded.append, deadlines=IMPATIENT),
    ):
        pass
    assert not any(said in failure.value.message for said in SAID), failure.value.message
    assert not any(
        octets in failure.value.message for octets in map(str, BANNERS[banner][:8]) if len(octets) > 1
    )


@pytest.mark.parametrize("banner", ["PostgreSQL", "SSH", "MySQL", "HTTP", "like a wrapper"])
def test_logs_show_no_octets_that_are_no_frame(banner: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(BANNERS[banner])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    recorded = []
    with pytest.raises(errors.DlmsError), session(talk, trace=recorded.append, deadlines=IMPATIENT):
        pass
    assert [record.direction for record in recorded] == ["sent"]


@pytest.mark.parametrize("datagram", [b"SESAME", b"\x00\x01\x00\x01\x00\x01SESAME", b"SESAME" * 20])
def test_faults_tell_nothing_of_foreign_datagrams(datagram: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, whom = peer.recvfrom(65536)
            peer.sendto(datagram, whom)

        thread = threading.Thread(target=answer)
        thread.start()
        address = MeterAddress("127.0.0.1", peer.getsockname()[1], carrier=Carrier.UDP)
        with pytest.raises(errors.DlmsError) as failure:
            connect(0, hls=False, address=address, deadlines=IMPATIENT)
        thread.join(10)
    assert not any(said in failure.value.message for said in SAID), failure.value.message
    assert not any(character.isdigit() for character in failure.value.message), failure.value.message
