"""The types of A-XDR encoded data: their tags, and how many octets their values have."""

import struct

from osgp.protocol_dlms.data import DataType

NUMBERS: dict[int, tuple[str, struct.Struct]] = {
    tag: (data_type.name, struct.Struct(f">{code}"))
    for tag, data_type, code in (
        (int(data_type), data_type, code)
        for data_type, code in (
            (DataType.DOUBLE_LONG, "i"),
            (DataType.DOUBLE_LONG_UNSIGNED, "I"),
            (DataType.BCD, "b"),
            (DataType.INTEGER, "b"),
            (DataType.LONG, "h"),
            (DataType.UNSIGNED, "B"),
            (DataType.LONG_UNSIGNED, "H"),
            (DataType.LONG64, "q"),
            (DataType.LONG64_UNSIGNED, "Q"),
            (DataType.ENUM, "B"),
            (DataType.FLOAT32, "f"),
            (DataType.FLOAT64, "d"),
            (DataType.DELTA_INTEGER, "b"),
            (DataType.DELTA_LONG, "h"),
            (DataType.DELTA_DOUBLE_LONG, "i"),
            (DataType.DELTA_UNSIGNED, "B"),
            (DataType.DELTA_LONG_UNSIGNED, "H"),
            (DataType.DELTA_DOUBLE_LONG_UNSIGNED, "I"),
        )
    )
}
"""Name and layout of the types of numbers."""
FIXED_OCTETS = {int(DataType.DATE_TIME): 12, int(DataType.DATE): 5, int(DataType.TIME): 4}
FIXED_SIZES = {
    **{tag: number.size for tag, (_, number) in NUMBERS.items()},
    **FIXED_OCTETS,
    int(DataType.NULL_DATA): 0,
    int(DataType.DONT_CARE): 0,
    int(DataType.BOOLEAN): 1,
}
"""Octets after the tag, of the types that always have the same number of them."""
DATA_TYPES = {int(data_type): data_type for data_type in DataType}
