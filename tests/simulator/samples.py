"""What the tests of services ask meters for."""

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.simulator.codec.axdr import Data, DataType, encode_length

NOW = 1_718_452_800.0
"""2024-06-15T12:00Z: 14:00 in Amsterdam."""

IMPORT = AttributeDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 2)
CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
INTERVALS = AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)
SPECIAL_DAYS = AttributeDescriptor(11, bytes((0, 0, 11, 0, 0, 255)), 2)
ADMINISTRATIVE = AttributeDescriptor(1, bytes((0, 1, 94, 31, 0, 255)), 2)
ALARM_FILTER = AttributeDescriptor(1, bytes((0, 0, 97, 98, 10, 255)), 2)
DISCONNECT = MethodDescriptor(70, bytes((0, 0, 96, 3, 10, 255)), 1)


def special_days(count: int) -> Data:
    """A table of that many days."""

    def day(index: int) -> Data:
        parts = (Data(18, index), Data(9, bytes((0x07, 0xE8, 1, 1 + index % 28, 0xFF))), Data(17, 1))
        return Data(DataType.STRUCTURE, tuple(Data(DataType(kind), value) for kind, value in parts))

    return Data(DataType.ARRAY, tuple(day(index) for index in range(count)))


def date_time(hour: int, minute: int = 0) -> Data:
    """A time on 15 June 2024 in Amsterdam."""
    return Data(DataType.OCTET_STRING, bytes((0x07, 0xE8, 6, 15, 0xFF, hour, minute, 0, 0)) + b"\xff\x88\x80")


def definition(descriptor: AttributeDescriptor) -> Data:
    """A capture object definition."""
    class_id, logical_name, attribute_id = descriptor
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.LONG_UNSIGNED, class_id),
            Data(DataType.OCTET_STRING, logical_name),
            Data(DataType.INTEGER, attribute_id),
            Data(DataType.LONG_UNSIGNED, 0),
        ),
    )


def time_range(
    begin: Data, end: Data, *columns: AttributeDescriptor, by: AttributeDescriptor = CLOCK
) -> Data:
    """A range descriptor."""
    selected = Data(DataType.ARRAY, tuple(definition(column) for column in columns))
    return Data(DataType.STRUCTURE, (definition(by), begin, end, selected))


def entries(first: int, last: int, first_column: int = 1, last_column: int = 0) -> Data:
    """An entry descriptor."""
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.DOUBLE_LONG_UNSIGNED, first),
            Data(DataType.DOUBLE_LONG_UNSIGNED, last),
            Data(DataType.LONG_UNSIGNED, first_column),
            Data(DataType.LONG_UNSIGNED, last_column),
        ),
    )


def blocks(octets: bytes, size: int) -> list[bytes]:
    """Data blocks from number 1, without the services around them."""
    starts = range(0, len(octets), size)
    return [
        bytes((start + size >= len(octets),))
        + (number + 1).to_bytes(4, "big")
        + encode_length(len(octets[start : start + size]))
        + octets[start : start + size]
        for number, start in enumerate(starts)
    ]
