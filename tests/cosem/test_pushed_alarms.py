"""Alarms in pushes: bits of registers, with and without a profile that has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp import catalogue
from osgp.cosem.alarms import UnknownAlarm, find_alarms, find_pushed_alarms, list_alarm_types

OLD, NEW = catalogue.find_profile("DSMR", "2.2"), catalogue.find_profile("SMR", "5.5")


def test_all_bits_of_all_registers() -> None:
    named = [name for register in (1, 2, 3) for name in find_pushed_alarms(register, 0xFFFFFFFF)[0]]
    assert sorted(named) == sorted(list_alarm_types())
    assert len(named) == 41
    unknown = [alarm for register in (1, 2, 3) for alarm in find_pushed_alarms(register, 0xFFFFFFFF)[1]]
    assert [alarm.bit for alarm in unknown if alarm.register == 1] == [5, 6, 7, 14, 15]
    assert len(unknown) == 3 * 32 - 41


def test_unknown_bits_do_not_cost_the_others() -> None:
    assert find_pushed_alarms(1, 0b100101) == (["CLOCK_INVALID", "POWER_UP"], [UnknownAlarm(1, 5)])
    assert find_pushed_alarms(4, 0b10) == ([], [UnknownAlarm(4, 1)])
    assert find_pushed_alarms(1, 0) == ([], [])


def test_registers_that_the_profile_lacks() -> None:
    assert "ALARM_REGISTER_3" not in OLD
    assert find_pushed_alarms(3, 1, OLD) == (["LAST_GASP"], [])


@given(st.integers(0, 0xFFFFFFFF))
def test_registers_that_the_profile_has(value: int) -> None:
    assert find_pushed_alarms(1, value, NEW) == find_alarms(NEW, 1, value)


@pytest.mark.parametrize("value", [-1, 1 << 32])
@pytest.mark.parametrize("profile", [None, NEW], ids=["none", "new"])
def test_values_that_are_no_register(value: int, profile: catalogue.Profile | None) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        find_pushed_alarms(1, value, profile)
