"""Server addresses of HDLC, octet by octet, and those that no meter has (Green Book 8.4.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import Framing, MeterAddress, errors
from osgp.protocol_dlms.hdlc_address import check_server_address, encode_server_address, parse_server_address
from osgp.protocol_dlms.settings import Limits, check_address

ENCODED = [
    ((1, None, None), "03"),
    ((16, None, None), "21"),
    ((0x7E, None, None), "fd"),
    # ff would be all stations.
    ((0x7F, None, None), "00fe0001"),
    ((128, None, None), "02000001"),
    ((0x3FFE, None, None), "fefc0001"),
    ((1, 17, None), "0223"),
    ((1, 127, None), "000200ff"),
    ((128, 17, None), "02000023"),
    ((1, None, 2), "0201"),
    ((1, None, 4), "00020001"),
    ((1, 0x3FFE, 4), "0002fefd"),
]


@pytest.mark.parametrize(("address", "octets"), ENCODED)
def test_addresses(address: tuple[int, int | None, int | None], octets: str) -> None:
    check_server_address(*address)
    assert encode_server_address(*address).hex() == octets


@given(st.integers(1, 0x3FFE), st.none() | st.integers(1, 0x3FFE))
def test_addresses_come_back(upper: int, lower: int | None) -> None:
    check_server_address(upper, lower, None)
    octets = encode_server_address(upper, lower)
    found, below = parse_server_address(octets)
    assert (found, below or None) == (upper, lower)
    assert [octet & 1 for octet in octets] == [0] * (len(octets) - 1) + [1]


@pytest.mark.parametrize(
    ("upper", "lower", "length"),
    [
        (0, None, None),
        (0x7F, None, 1),
        (0x7F, 1, 2),
        (0x80, 1, 2),
        (0x3FFF, None, None),
        (0x3FFF, 1, 4),
        (0x4000, None, None),
        (1, 0, None),
        (1, 0x7F, 2),
        (1, 0x3FFF, None),
        (1, 0x4000, 4),
        (1, 1, 1),
        (1, 1, 3),
        (1, None, 0),
        (1, -1, None),
    ],
)
def test_addresses_that_no_meter_has(upper: int, lower: int | None, length: int | None) -> None:
    """All stations, no station, and what does not fit the octets: refused before anything is sent."""
    address = MeterAddress("127.0.0.1", 4059, upper, Framing.HDLC, server_lower_address=lower,
        server_address_length=length)  # fmt: skip
    with pytest.raises(errors.InvalidSettings):
        check_address(address, 1)


def test_all_stations_is_no_client_either() -> None:
    address = MeterAddress("127.0.0.1", 4059, 1, Framing.HDLC)
    check_address(address, 0x7E)
    with pytest.raises(errors.InvalidSettings):
        check_address(address, 0x7F)


def test_the_wrapper_has_no_lower_address_to_check() -> None:
    check_address(MeterAddress("127.0.0.1", 4059, 0x3FFF, server_lower_address=0), 0x7F)


@pytest.mark.parametrize(
    "limits",
    [{"hdlc_window": 0}, {"hdlc_window": 8}, {"hdlc_information_size": 31}, {"hdlc_information_size": 2031}],
)
def test_sizes_and_windows_that_hdlc_does_not_have(limits: dict[str, int]) -> None:
    """Blue Book, class 23: 32 to 2030 octets, windows of 1 to 7."""
    with pytest.raises(errors.InvalidSettings):
        Limits(**limits)
