"""`manage.py listen` says what is wrong with what it is told; the embedded default finds a port."""

import socket
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from osgp.alarms.models import ReceivedPush
from osgp.embedded import session
from osgp.embedded.listening import ListenerThread
from osgp.listener.limits import read_limits
from osgp.listener.sockets import normalise_address
from osgp.listener.spool import Spool
from scripts.private_services import find_free_port
from tests.listener.conftest import push
from tests.listener.samples import SMR5


@pytest.fixture
def spool_directory(settings: Settings, tmp_path: Path) -> Path:
    settings.OSGP = settings.OSGP | {"PUSH_SPOOL_DIR": str(tmp_path / "push-spool")}
    return tmp_path / "push-spool"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--tcp-port", "65536"], "--tcp-port must be from 0 to 65535"),
        (["--udp-port", "-1"], "--udp-port must be from 0 to 65535"),
        (["--tcp-port", "0", "--udp-port", "0"], "nothing to listen for"),
        (["--host", "192.0.2.1"], "Cannot listen"),
    ],
    ids=["tcp", "udp", "neither", "host"],
)
def test_what_it_cannot_do(spool_directory: Path, options: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("listen", *options)


def test_a_port_in_use_is_named(spool_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} of 127.0.0.1 is in use"):
            call_command("listen", "--host", "127.0.0.1", "--tcp-port", str(port), "--udp-port", "0")


def test_a_spool_in_use_is_named(spool_directory: Path) -> None:
    spool = Spool(spool_directory, 100)
    with pytest.raises(CommandError, match="another listener has the spool"):
        call_command("listen", "--host", "127.0.0.1", "--tcp-port", "0", "--udp-port", "1")
    spool.close()


@pytest.mark.django_db(transaction=True)
def test_the_embedded_listener_takes_another_port_if_its_own_is_taken(
    transactional_db: None, spool_directory: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        thread = ListenerThread("127.0.0.1", port)
        assert thread.tcp_port not in (0, port)
        assert f"(port {port} is in use)" in session._describe_listener(thread)
        with thread:
            assert push(thread, SMR5) == "closed"
    assert ReceivedPush.objects.count() == 1
    port = find_free_port()
    other = ListenerThread("127.0.0.1", port)
    assert session._describe_listener(other).endswith(f"TCP {port}, UDP {port}")
    other.close()


def test_limits_are_those_of_the_settings(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"PUSH_SPOOL_DIR": "", "PUSH_SPOOL_MIB": 3, "PUSH_CONNECTIONS": 10**9}
    limits = read_limits()
    assert limits.spool_directory == settings.VAR_DIR / "push-spool"
    assert limits.spool_size == 3 * 1024 * 1024
    assert limits.connections < 10**9
    assert (limits.quiet, limits.message, limits.connection) == (1.0, 60.0, 3600.0)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
    ids=["v4", "mapped", "v6", "zone"],
)
def test_source_addresses(host: str, address: str) -> None:
    assert normalise_address(host) == address
