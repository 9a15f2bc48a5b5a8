"""Which receivers may be dialled: by the form of their URL, by their addresses, and by their certificate."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from osgp.events.receivers import is_permitted, parse_url
from osgp.notifications import dialling
from osgp.notifications.checks import check_settings
from osgp.notifications.dialling import SendError
from osgp.notifications.http import Receiver as Client
from tests.notifications.receiver import Receiver, saying


@pytest.fixture
def strict(webhook_settings: Settings) -> Settings:
    """As in production."""
    webhook_settings.OSGP = webhook_settings.OSGP | {
        "WEBHOOK_ALLOWED_NETWORKS": [],
        "WEBHOOK_ALLOW_HTTP": False,
    }
    return webhook_settings


PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700::1111",
    "2a00:1450::1",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
]
SPECIAL = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "3fff::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "100::1",
    "64:ff9b:1::1",
    "5f00::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "2002:a00:1::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(strict: Settings, address: str) -> None:
    assert is_permitted(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_addresses_of_private_and_special_networks(strict: Settings, address: str) -> None:
    assert not is_permitted(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1"])
def test_networks_that_are_allowed(strict: Settings, address: str) -> None:
    strict.OSGP = strict.OSGP | {"WEBHOOK_ALLOWED_NETWORKS": ["10.1.0.0/16"]}
    assert is_permitted(ipaddress.ip_address(address))
    assert not is_permitted(ipaddress.ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://receiver.example/hook", ("https", "receiver.example", 443, "/hook")),
        ("https://Receiver.Example", ("https", "receiver.example", 443, "/")),
        (
            "https://receiver.example:8443/a/b?c=d&e=%20",
            ("https", "receiver.example", 8443, "/a/b?c=d&e=%20"),
        ),
        ("https://8.8.8.8/x", ("https", "8.8.8.8", 443, "/x")),
        ("https://[2606:4700::1111]:444/", ("https", "2606:4700::1111", 444, "/")),
        ("https://xn--bcher-kva.example/?q", ("https", "xn--bcher-kva.example", 443, "/?q")),
        ("https://a_b.example/", ("https", "a_b.example", 443, "/")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_urls_in_parts(strict: Settings, text: str, parts: tuple[Any, ...]) -> None:
    assert parse_url(text) == parts


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "absolute URL"),
        ("receiver.example", "absolute URL"),
        ("ftp://receiver.example/", "absolute URL"),
        ("//receiver.example/", "absolute URL"),
        ("https:///path", "absolute URL"),
        ("http://receiver.example/", "https://"),
        ("https://user:pass@receiver.example/", "user name"),
        ("https://receiver.example/#part", "fragment"),
        ("https://receiver.example:0/", "port"),
        ("https://receiver.example:/", "port"),
        ("https://receiver.example:99999/", "host and port"),
        ("https://receiver.example:x/", "host and port"),
        ("https://[::1/", "host and port"),
        ("https://rec eiver.example/", "printable ASCII"),
        ("https://receiver.example/\r\nX: y", "printable ASCII"),
        ("https://bücher.example/", "printable ASCII"),
        ("https://receiver.example\\@evil.example/", "printable ASCII"),
        (f"https://receiver.example/{'a' * 2000}", "2000 characters"),
        ("https://receiver..example/", "host name"),
        ("https://-a.example/", "host name"),
        (f"https://{'a' * 64}.example/", "host name"),
        ("https://receiver.example./", "host name"),
        ("https://127.1/", "host name"),
        ("https://2130706433/", "host name"),
        ("https://0x7f.0.0.0x1/", "host name"),
        ("https://0177.0.0.1/", "host name"),
        ("https://[fe80::1%25eth0]/", "host name"),
        ("https://localhost/", "special network"),
        ("https://a.localhost/", "special network"),
        ("https://127.0.0.1/", "special network"),
        ("https://169.254.169.254/latest/meta-data/", "special network"),
        ("https://[::ffff:10.0.0.1]/", "special network"),
        ("https://[::1]:8000/", "special network"),
    ],
    ids=lambda value: value[:40],
)
def test_urls_that_are_refused(strict: Settings, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_url(text)


def test_http_where_it_is_allowed(webhook_settings: Settings) -> None:
    assert parse_url("http://localhost:8000/").authority == "localhost:8000"
    assert parse_url("http://receiver.example/").authority == "receiver.example"
    assert parse_url("http://[::1]:80/").origin == "http://[::1]:80"


class Resolver:
    """Answers with these addresses in turn, in the place of the system's resolver."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let names have these addresses."""

    def use(*answers: list[str] | Exception) -> Resolver:
        resolver = Resolver(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        return resolver

    return use


def post(url: str, client: Client | None = None) -> Any:
    return (client or Client()).post(parse_url(url), {}, b"{}", time.monotonic() + 2)


def test_what_is_dialled_is_what_was_checked(
    webhook_settings: Settings, resolve: Any, receiver: Receiver
) -> None:
    """A name that changes its mind between check and connection gains nothing: it is asked once."""
    resolver = resolve(["127.0.0.1"], ["10.0.0.1"])
    assert post(f"http://receiver.example:{receiver.port}/hook").status == 204
    assert resolver.asked == ["receiver.example"]
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"
    with pytest.raises(SendError, match="special network"):
        post(f"http://receiver.example:{receiver.port}/hook")
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["::ffff:169.254.169.254"], ["fe80::1%eth0"]],
    ids=lambda value: " ".join(value),
)
def test_a_name_with_any_private_address_is_not_dialled(
    strict: Settings, resolve: Any, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("was dialled")

    resolve(addresses)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(SendError, match="special network") as info:
        post("https://receiver.example/")
    assert not any(address in str(info.value) for address in addresses)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_resolved(webhook_settings: Settings, resolve: Any, error: Exception) -> None:
    resolve(error)
    with pytest.raises(SendError, match="cannot be resolved"):
        post("http://receiver.example/")


def test_a_resolver_that_does_not_answer(
    webhook_settings: Settings, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    def wait(*_: Any, **__: Any) -> list[Any]:
        receiver.released.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    with pytest.raises(SendError, match="not resolved in time"):
        Client().post(parse_url("http://receiver.example/"), {}, b"", time.monotonic() + 0.2)


def test_another_address_is_tried_where_one_refuses(
    webhook_settings: Settings, resolve: Any, receiver: Receiver
) -> None:
    resolve(["127.0.0.99", "127.0.0.1"])
    assert post(f"http://receiver.example:{receiver.port}/").status == 204


def test_ipv6(webhook_settings: Settings) -> None:
    with Receiver(host="::1") as receiver:
        assert post(receiver.url).status == 204
        assert receiver.received[0].headers["host"] == f"[::1]:{receiver.port}"


def test_proxies_of_the_environment_are_ignored(
    webhook_settings: Settings, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    assert post(receiver.url).status == 204


def test_redirects_are_not_followed(webhook_settings: Settings, receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answer = saying(307, headers=f"Location: {other.url}\r\n")
        assert post(receiver.url).status == 307
        assert not other.received


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("-5", None),
        ("soon", None),
        ("9" * 20, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_when_a_receiver_wants_to_be_asked_again(
    webhook_settings: Settings, receiver: Receiver, text: str, seconds: int | None
) -> None:
    receiver.answer = saying(503, headers=f"Retry-After: {text}\r\n")
    retry_after = post(receiver.url).retry_after
    assert (None if retry_after is None else retry_after.total_seconds()) == seconds


def make_certificate(folder: Path, *names: x509.GeneralName) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, for these names: its file, and what a server needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, keys = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    keys.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, keys)
    return pem, context


def test_tls(webhook_settings: Settings, tmp_path: Path, resolve: Any) -> None:
    """The name of the URL counts, whatever address it has; the connection is kept."""
    pem, context = make_certificate(tmp_path, x509.DNSName("receiver.example"))
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_CA_FILE": str(pem)}
    resolve(["127.0.0.1"], ["127.0.0.1"])
    client = Client()
    with Receiver(saying(200, b"x" * 3000), tls=context) as receiver:
        url = f"https://receiver.example:{receiver.port}/hook"
        assert post(url, client).status == 200
        assert post(url, client).status == 200
        assert receiver.connections == 1
        client.close()
        with pytest.raises(SendError, match=r"TLS: .*receiver.invalid"):
            post(f"https://receiver.invalid:{receiver.port}/hook")


def test_a_certificate_that_nobody_knows(webhook_settings: Settings, tmp_path: Path) -> None:
    _, context = make_certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    with Receiver(tls=context) as receiver, pytest.raises(SendError, match="TLS: self-signed certificate"):
        post(receiver.url)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain", "nothing"])
def test_a_server_that_does_not_speak_tls(webhook_settings: Settings, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            line.recv(100)
            line.sendall(answer)
            line.close()

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(SendError, match=r"TLS|closed"):
            post(f"https://127.0.0.1:{server.getsockname()[1]}/")


def test_a_handshake_that_never_ends(webhook_settings: Settings) -> None:
    """The deadline holds for all of it: here the server takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = parse_url(f"https://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(SendError, match="No answer"):
            Client().post(url, {}, b"", time.monotonic() + 0.3)


def test_nothing_is_tried_after_the_deadline(webhook_settings: Settings, receiver: Receiver) -> None:
    with pytest.raises(TimeoutError):
        dialling.count_remaining(time.monotonic() - 1)
    with pytest.raises(SendError, match="No answer"):
        Client().post(parse_url(receiver.url), {}, b"", time.monotonic() - 1)
    assert receiver.connections == 0


def test_networks_that_are_none(webhook_settings: Settings) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.0/8", "10.0.0.1/8"]}
    [error] = check_settings()
    assert "OSGP_WEBHOOK_ALLOWED_NETWORKS" in error.msg
