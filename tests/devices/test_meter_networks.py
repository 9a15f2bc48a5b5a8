"""Where meters are dialled, by settings."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from osgp.devices import meter_networks, never_dialled
from osgp.devices.checks import check_networks
from osgp.devices.meter_networks import is_dialled
from osgp.protocol_dlms.transport import destinations
from tests.test_ip_addresses import ORDINARY, SPECIAL

ALL = ["0.0.0.0/0", "::/0"]
"""What OSGP_METER_NETWORKS is unless it is set."""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(never_dialled, "_guide", never_dialled._Guide())
    return


@pytest.fixture
def configure(settings: Settings) -> Any:
    def configure(networks: list[str], *never: str) -> None:
        settings.OSGP = settings.OSGP | {"METER_NETWORKS": networks, "NEVER_DIALLED": list(never)}

    configure(ALL)
    return configure


def may_dial(host: str, port: int = 4059) -> bool:
    """As connections ask."""
    return destinations.may_dial(host, port)


def test_connections_ask_it(configure: Any) -> None:
    """The application installs it when it is set up."""
    assert destinations._Gate.guard is meter_networks.may_dial


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_refused_by_default(configure: Any, address: str) -> None:
    assert not may_dial(address)
    assert not is_dialled(address, 4059)


@pytest.mark.parametrize("address", ORDINARY)
def test_private_and_public_ones_are_dialled_by_default(configure: Any, address: str) -> None:
    assert may_dial(address)
    assert is_dialled(address, 4059)


@pytest.mark.parametrize(
    "address", ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::ffff:169.254.169.254"]
)
def test_other_forms_of_special_addresses_are_refused(configure: Any, address: str) -> None:
    assert not may_dial(address)


def test_special_addresses_have_to_be_named(configure: Any) -> None:
    configure([*ALL, "127.0.0.0/8"])
    assert may_dial("127.0.0.1")
    assert may_dial("::ffff:127.0.0.1")
    assert not may_dial("::1")
    assert not may_dial("169.254.169.254")
    configure(["126.0.0.0/7"])
    assert not may_dial("127.0.0.1")


def test_networks_that_are_set_are_the_only_ones(configure: Any) -> None:
    configure(["10.20.0.0/16", "fd12::/16"])
    assert may_dial("10.20.0.1")
    assert may_dial("::ffff:10.20.0.1")
    assert may_dial("fd12::1")
    assert not may_dial("10.21.0.1")
    assert not may_dial("2a00::1")


def test_what_is_no_address_is_refused() -> None:
    assert not may_dial("meter.example")
    assert not may_dial("")


def test_addresses_of_this_machine_count_as_loopback(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_networks, "is_of_this_machine", lambda address: str(address) == "10.0.0.5")
    assert not may_dial("10.0.0.5")
    assert may_dial("10.0.0.6")
    configure([*ALL, "127.0.0.0/8"])
    assert may_dial("10.0.0.5")


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "LocalHost.", "127.1", "0x7f.1", "2130706433"])
def test_names_and_short_forms_of_loopback_are_refused_where_they_come_in(configure: Any, host: str) -> None:
    assert not is_dialled(host, 4059)
    configure([*ALL, "127.0.0.0/8"])
    assert is_dialled(host, 4059)


def test_other_names_are_judged_when_they_are_dialled(configure: Any) -> None:
    assert is_dialled("meter.example", 4059)
    assert is_dialled("1a", 4059)
    assert is_dialled("", 4059)


# What is never dialled


def test_database_and_broker_are_refused_inside_of_networks_with_meters(
    configure: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "10.0.0.3,10.0.0.4")
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", "6432,")
    settings.CELERY_BROKER_URL = "amqp://a:b@10.0.0.7//;amqps://a:b@[fd12::7]:5999/x"
    configure(["10.0.0.0/8", "fd12::/16"])
    refused = {("10.0.0.3", 6432), ("10.0.0.4", 5432), ("10.0.0.7", 5672), ("fd12::7", 5999)}
    for host, port in refused:
        assert not may_dial(host, port), host
        assert may_dial(host, 4059), host


def test_hosts_ports_and_networks_that_are_named(configure: Any) -> None:
    configure(ALL, "10.0.0.1", "10.0.0.2:80", "10.1.0.0/16", "[fd12::2]:80", "fd12::1")
    assert not may_dial("10.0.0.1")
    assert not may_dial("::ffff:10.0.0.1")
    assert (may_dial("10.0.0.2"), may_dial("10.0.0.2", 80)) == (True, False)
    assert not may_dial("10.1.2.3")
    assert not may_dial("fd12::1")
    assert (may_dial("fd12::2"), may_dial("fd12::2", 80)) == (True, False)


def test_services_of_this_machine_are_refused_at_all_its_addresses(configure: Any) -> None:
    configure([*ALL, "127.0.0.0/8"], "localhost:5432")
    assert not may_dial("127.0.0.1", 5432)
    assert not may_dial("127.9.9.9", 5432)
    assert may_dial("127.0.0.1", 4059)


def test_parts_of_the_platform_in_this_process_are_refused(configure: Any) -> None:
    configure([*ALL, "127.0.0.0/8"])
    assert may_dial("127.0.0.1", 8000)
    never_dialled.add_local_port(8000)
    assert not may_dial("127.0.0.1", 8000)
    never_dialled.remove_local_port(8000)
    assert may_dial("127.0.0.1", 8000)


def test_names_are_looked_up_anew_and_kept_when_they_cannot_be(
    configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, answers, asked = [0.0], ["10.0.0.8", "10.0.0.9", None], []

    def getaddrinfo(host: str, port: None) -> list[Any]:
        asked.append(host)
        answer = answers[min(len(asked), len(answers)) - 1]
        if answer is None:
            raise socket.gaierror(socket.EAI_AGAIN, "")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, 0))]

    monkeypatch.setattr(never_dialled, "_list_configured", lambda: ())
    monkeypatch.setattr(never_dialled.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(never_dialled.time, "monotonic", lambda: now[0])
    configure(ALL, "web.example:8000")
    assert [may_dial("10.0.0.8", 8000) for _ in range(3)] == [False] * 3
    assert asked == ["web.example"]
    now[0] += never_dialled.LOOKED_UP_SECONDS
    assert (may_dial("10.0.0.8", 8000), may_dial("10.0.0.9", 8000)) == (True, False)
    now[0] += never_dialled.LOOKED_UP_SECONDS
    assert not may_dial("10.0.0.9", 8000)
    assert asked == ["web.example"] * 3


@pytest.mark.parametrize("text", ["10.0.0.1/8", "a:b", "user@host", "host:99999", "http://host", "a b:1:2"])
def test_what_cannot_be_understood_shows_at_start_up(configure: Any, text: str) -> None:
    assert check_networks() == []
    configure(ALL, text)
    with pytest.raises(ImproperlyConfigured):
        never_dialled.parse((text,))
    [error] = check_networks()
    assert (error.id, "OSGP_NEVER_DIALLED" in error.msg) == ("osgp.E014", True)


@pytest.mark.parametrize("networks", [[], ["10.0.0.1/8"], ["meters"]])
def test_networks_that_are_none_show_at_start_up(configure: Any, networks: list[str]) -> None:
    configure(networks)
    [error] = check_networks()
    assert (error.id, "OSGP_METER_NETWORKS" in error.msg) == ("osgp.E014", True)


def test_addresses_are_not_told_apart_by_form() -> None:
    assert meter_networks._parse_short("127.1") == ip_address("127.0.0.1")
    assert meter_networks._parse_short("1a") is None
