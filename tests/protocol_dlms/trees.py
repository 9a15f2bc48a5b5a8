"""Random COSEM data for property tests."""

from hypothesis import strategies as st

from osgp.protocol_dlms import Data, DataType

_INTEGERS = {
    DataType.INTEGER: (-(2**7), 2**7 - 1),
    DataType.BCD: (-(2**7), 2**7 - 1),
    DataType.LONG: (-(2**15), 2**15 - 1),
    DataType.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    DataType.LONG64: (-(2**63), 2**63 - 1),
    DataType.UNSIGNED: (0, 2**8 - 1),
    DataType.ENUM: (0, 2**8 - 1),
    DataType.LONG_UNSIGNED: (0, 2**16 - 1),
    DataType.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    DataType.LONG64_UNSIGNED: (0, 2**64 - 1),
    DataType.DELTA_INTEGER: (-(2**7), 2**7 - 1),
    DataType.DELTA_LONG: (-(2**15), 2**15 - 1),
    DataType.DELTA_DOUBLE_LONG: (-(2**31), 2**31 - 1),
    DataType.DELTA_UNSIGNED: (0, 2**8 - 1),
    DataType.DELTA_LONG_UNSIGNED: (0, 2**16 - 1),
    DataType.DELTA_DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
}


def _of(data_type: DataType, values: st.SearchStrategy[object]) -> st.SearchStrategy[Data]:
    return values.map(lambda value: Data(data_type, value))


def scalars(longest: int = 200) -> st.SearchStrategy[Data]:
    return st.one_of(
        st.just(Data(DataType.NULL_DATA, None)),
        _of(DataType.BOOLEAN, st.booleans()),
        _of(DataType.BIT_STRING, st.text("01", max_size=longest)),
        _of(DataType.OCTET_STRING, st.binary(max_size=longest)),
        _of(
            DataType.VISIBLE_STRING,
            st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=longest),
        ),
        _of(DataType.UTF8_STRING, st.text(st.characters(codec="utf-8"), max_size=longest // 4)),
        _of(DataType.FLOAT32, st.floats(width=32, allow_nan=False)),
        _of(DataType.FLOAT64, st.floats(allow_nan=False)),
        _of(DataType.DATE_TIME, st.binary(min_size=12, max_size=12)),
        _of(DataType.DATE, st.binary(min_size=5, max_size=5)),
        _of(DataType.TIME, st.binary(min_size=4, max_size=4)),
        *(_of(data_type, st.integers(*limits)) for data_type, limits in _INTEGERS.items()),
    )


def trees(longest: int = 200) -> st.SearchStrategy[Data]:
    """Any data that can be sent: scalars, arrays and structures of them, and so on."""
    return st.recursive(
        scalars(longest),
        lambda children: st.one_of(
            _of(data_type, st.lists(children, max_size=6).map(tuple))
            for data_type in (DataType.ARRAY, DataType.STRUCTURE)
        ),
        max_leaves=20,
    )
