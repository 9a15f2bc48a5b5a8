"""Scalers and units of registers that the meter does not tell."""

from collections.abc import Mapping
from typing import Any

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.faults import Fault
from osgp.messages.scales import choose_scaler_unit
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError
from tests.messages.test_contradictions import EXPORT, IMPORT, PROFILE, scaling, visit

STATED = PROFILE["ACTIVE_ENERGY_EXPORT"]["scaler_unit"].stated_scaler_unit
VOLTAGE = PROFILE["INSTANTANEOUS_VOLTAGE_L1"].address_attribute("scaler_unit")
OTHER = {IMPORT: scaling(-2)}
"""What the meter says of another register of the same unit."""
REFUSED = AccessError(AccessResult.OBJECT_UNDEFINED, EXPORT)
NOT_SAID = scaling(0, 255)


def choose(told: Data | Fault, others: Mapping[AttributeDescriptor, Data | None], **fields: Any) -> Any:
    meter = visit({EXPORT: None, **others}, **fields)
    return choose_scaler_unit(meter, "ACTIVE_ENERGY_EXPORT", {EXPORT: told})


@pytest.mark.parametrize("told", [REFUSED, NOT_SAID])
@pytest.mark.parametrize("others", [{}, {IMPORT: scaling(0)}, {IMPORT: None}, {VOLTAGE: scaling(-3, 35)}])
def test_the_profile_is_believed_that_nothing_contradicts(
    told: Data | Fault, others: Mapping[AttributeDescriptor, Data | None]
) -> None:
    """Registers of another unit say nothing of this one."""
    assert choose(told, others) == STATED == ScalerUnit(0, Unit.WH)


@pytest.mark.parametrize("told", [REFUSED, NOT_SAID])
def test_the_profile_is_not_believed_where_it_is_wrong_about_such_registers(told: Data | Fault) -> None:
    with pytest.raises(Fault, match="unit of ACTIVE_ENERGY_EXPORT; those of") as raised:
        choose(told, OTHER)
    assert not raised.value.retryable


def test_what_the_meter_tells_is_believed_in_any_case() -> None:
    assert choose(scaling(0), OTHER) == STATED
    assert choose(scaling(2), OTHER) == ScalerUnit(2, Unit.WH)


def test_what_the_meter_may_tell_later_is_asked_for_again() -> None:
    later = AccessError(AccessResult.TEMPORARY_FAILURE, EXPORT)
    with pytest.raises(AccessError) as raised:
        choose(later, OTHER)
    assert raised.value is later
    assert raised.value.retryable
