"""What an IP address leads to."""

from ipaddress import ip_address, ip_network

import pytest

from osgp import ip_addresses
from osgp.ip_addresses import find_meant, is_inside_special, is_of_this_machine, is_special


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("64:ff9b::7f00:1", "127.0.0.1"),
        ("2002:7f00:1::1", "127.0.0.1"),
        ("2002:a9fe:a9fe::", "169.254.169.254"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_that_is_meant(address: str, meant: str) -> None:
    assert find_meant(ip_address(address)) == ip_address(meant)


SPECIAL = (
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254"),
    *("192.0.0.192", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255"),
    *("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254"),
    *("::", "::1", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::1", "100::1", "1fff::1", "4000::1"),
    *("2001::1", "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "ff02::1"),
)
ORDINARY = (
    *("1.0.0.1", "10.0.0.1", "100.64.0.1", "172.16.0.1", "192.168.1.1", "192.0.1.1", "223.255.255.254"),
    *("198.18.0.1", "2001:200::1", "2001:db8::1", "2a00::1", "3fff:ffff::1", "fc00::1", "fd12::1"),
)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses(address: str) -> None:
    assert is_special(ip_address(address))


@pytest.mark.parametrize("address", ORDINARY)
def test_addresses_that_devices_may_have(address: str) -> None:
    assert not is_special(ip_address(address))


@pytest.mark.parametrize(
    ("network", "is_inside"),
    [
        *(("127.0.0.0/8", True), ("127.0.0.1/32", True), ("fe80::/10", True), ("::1/128", True)),
        *(("0.0.0.0/0", False), ("126.0.0.0/7", False), ("10.0.0.0/8", False), ("::/0", False)),
    ],
)
def test_networks_of_special_addresses_alone(network: str, is_inside: bool) -> None:
    assert is_inside_special(ip_network(network)) == is_inside


def test_addresses_of_this_machine() -> None:
    assert is_of_this_machine(ip_address("127.0.0.1"))
    assert not is_of_this_machine(ip_address("192.0.2.7"))
    assert not is_of_this_machine(ip_address("2001:db8::7"))


def test_a_machine_that_may_have_any_address_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a setting of its kernel would make it refuse all meters."""

    ip_addresses._can_all_be_had.cache_clear()
    monkeypatch.setattr(ip_addresses, "_can_be_had", lambda address: True)
    try:
        assert not is_of_this_machine(ip_address("192.0.2.7"))
    finally:
        ip_addresses._can_all_be_had.cache_clear()
