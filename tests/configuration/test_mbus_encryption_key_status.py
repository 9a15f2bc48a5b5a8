"""GetMbusEncryptionKeyStatus, by device and by channel: every status, empty channels, other answers."""

import pytest

from osgp import catalogue
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from tests.configuration.writes import count_round_trips
from tests.visited import PROFILES, Visits, perform, saying

BY_DEVICE = "GetMbusEncryptionKeyStatus"
BY_CHANNEL = "GetMbusEncryptionKeyStatusByChannel"
TAG = "MBUS_CLIENT_SETUP"
STATUSES = [
    "NO_ENCRYPTION_KEY",
    "ENCRYPTION_KEY_SET",
    "ENCRYPTION_KEY_TRANSFERRED",
    "ENCRYPTION_KEY_SET_AND_TRANSFERRED",
    "ENCRYPTION_KEY_IN_USE",
]
WITH_STATUS = [
    profile.key
    for profile in catalogue.list_profiles()
    if TAG in profile and "encryption_key_status" in profile[TAG]
]


@pytest.mark.parametrize("profile", WITH_STATUS)
def test_every_profile(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    for number, status in enumerate(STATUSES):
        told = {(f"{TAG}/1", 14): f"16{number:02x}", (f"{TAG}/2", 14): "1604"}
        with saying(simulated, told), visits.visit(simulated, channel=1) as meter:
            assert perform(meter, BY_DEVICE) == {"encryption_key_status": status}
            by_channel = perform(meter, BY_CHANNEL, {"channel": 1})
            assert by_channel == {"channel": 1, "encryption_key_status": status}
            other = perform(meter, BY_CHANNEL, {"channel": 2})
            assert other == {"channel": 2, "encryption_key_status": STATUSES[4]}


def test_profiles_without_it() -> None:
    lacking = sorted({*PROFILES} - {*WITH_STATUS})
    assert "DSMR-2.2" in lacking
    for key in lacking:
        for message, parameters in ((BY_DEVICE, {}), (BY_CHANNEL, {"channel": 1})):
            with pytest.raises(Fault, match=r"needs .*MBUS_CLIENT_SETUP, which") as info:
                find_operation(message).check_profile(catalogue.find_profile(*key.split("-", 1)), parameters)
            assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


@pytest.mark.parametrize(
    "empty", [{7: "120000"}, {7: "00"}, {9: "1100"}, {9: "00"}], ids=lambda empty: str(empty)
)
def test_an_empty_channel_has_no_key(visits: Visits, empty: dict[int, str]) -> None:
    """Whatever the status of the one that was there."""
    simulated = visits.simulated("SMR-5.5")
    told = {(f"{TAG}/1", number): octets for number, octets in ({14: "1604"} | empty).items()}
    with saying(simulated, told), visits.visit(simulated, connection={"with_list_max": 32}) as meter:
        result = perform(meter, BY_CHANNEL, {"channel": 1})
        assert result == {"channel": 1, "encryption_key_status": "NO_ENCRYPTION_KEY"}
        assert count_round_trips(meter, BY_CHANNEL, {"channel": 1}) == 1
        assert count_round_trips(meter, BY_CHANNEL, {"channel": 2}) == 2


@pytest.mark.parametrize("octets", ["1605", "16ff", "00", "0301", "090104"])
def test_answers_that_are_no_status(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {(f"{TAG}/1", 14): octets}), visits.visit(simulated, channel=1) as meter:
        for message, parameters in ((BY_DEVICE, {}), (BY_CHANNEL, {"channel": 1})):
            with pytest.raises(Fault, match="encryption key status") as info:
                perform(meter, message, parameters)
            assert info.value.code == FaultCode.ILLEGAL_RESPONSE
