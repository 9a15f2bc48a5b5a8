"""Scalers and units of registers: the same for all messages, see :mod:`osgp.messages.scales`."""

from osgp.messages.scales import (
    choose_scaler_unit,
    describe_registers,
    is_register,
    read_each_scaler_unit,
    read_scaler_units,
)

__all__ = [
    "choose_scaler_unit",
    "describe_registers",
    "is_register",
    "read_each_scaler_unit",
    "read_scaler_units",
]
