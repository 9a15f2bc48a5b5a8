"""COSEM data: the typed values in requests and responses (Blue Book 4.1.5, common data types)."""

from enum import IntEnum
from typing import NamedTuple


class DataType(IntEnum):
    """Tags of the A-XDR encoded choice ``Data``."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


class Delta(int):
    """A number of one of the delta types: what to add to the same column's value in the row before (Blue Book
    4.1.5). Without such a row it means nothing."""

    __slots__ = ()


class Float32(float):
    """A number that came as float32, of which fewer decimal digits count than of a float64."""

    __slots__ = ()


class Data(NamedTuple):
    """A value with its type.

    ======================================================= ==================================================
    type                                                    value
    ======================================================= ==================================================
    NULL_DATA, DONT_CARE                                    None
    BOOLEAN                                                 bool
    INTEGER … LONG64_UNSIGNED, ENUM, BCD (signed octet)     int
    DELTA_INTEGER … DELTA_DOUBLE_LONG_UNSIGNED              int; a received one is a Delta
    FLOAT32, FLOAT64                                        float; a received FLOAT32 is a Float32
    OCTET_STRING, DATE_TIME (12), DATE (5), TIME (4 octets) bytes
    VISIBLE_STRING, UTF8_STRING                             str
    BIT_STRING                                              str of ``0`` and ``1``, first bit first
    ARRAY, STRUCTURE                                        tuple of Data
    ======================================================= ==================================================

    A received compact-array appears as the ARRAY that it abbreviates.
    """

    type: DataType
    value: object

    @property
    def native(self) -> object:
        """The value without types: tuples of tuples of plain values."""
        if self.type in (DataType.ARRAY, DataType.STRUCTURE):
            assert isinstance(self.value, tuple)
            return tuple(element.native for element in self.value)
        return self.value
