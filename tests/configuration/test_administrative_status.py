"""SetAdministrativeStatus and GetAdministrativeStatus: what meters have, get, keep and refuse."""

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from tests.visited import PROFILES, Visits, having, perform, saying

TAG = "ADMINISTRATIVE_IN_OUT"
STATUS = (TAG, 2)


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, {STATUS: "1600"}), visits.visit(simulated) as meter:
        assert perform(meter, "GetAdministrativeStatus") == {"enabled": "UNDEFINED"}
        off = {"before": "UNDEFINED", "after": "OFF"}
        assert perform(meter, "SetAdministrativeStatus", {"enabled": "OFF"}) == off
        assert perform(meter, "SetAdministrativeStatus", {"enabled": "ON"}) == {
            "before": "OFF",
            "after": "ON",
        }
        assert meter.get(TAG, "value").value == 2


@pytest.mark.parametrize("profile", sorted({*PROFILES} - {profile for profile, _ in having(TAG)}))
def test_profiles_without_it(profile: str) -> None:
    for message in ("GetAdministrativeStatus", "SetAdministrativeStatus"):
        with pytest.raises(Fault) as info:
            find_operation(message).check_profile(catalogue.find_profile(*profile.split("-", 1)), {})
        assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


@pytest.mark.parametrize("octets", ["1603", "00", "0901ff", "0301"])
def test_answers_that_are_no_status(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {STATUS: octets}), visits.visit(simulated) as meter:
        with pytest.raises(Fault) as info:
            perform(meter, "GetAdministrativeStatus")
        assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        # Whatever it was, it can be set.
        assert perform(meter, "SetAdministrativeStatus", {"enabled": "ON"}) == {"before": None, "after": "ON"}


@pytest.mark.parametrize("enabled", ["UNDEFINED", "on", True, None, ""])
def test_refuses_other_names(enabled: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation("SetAdministrativeStatus").parse({"enabled": enabled})
    assert set(info.value.detail) == {"enabled"}
