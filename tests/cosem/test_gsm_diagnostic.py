"""What modems tell, from octets."""

from contextlib import suppress

import pytest
from hypothesis import given

from osgp import catalogue
from osgp.cosem import gsm_diagnostic as gsm
from osgp.cosem.gsm_diagnostic import AdjacentCell, CellInfo, Status
from osgp.faults import Fault
from osgp.protocol_dlms import Data, axdr
from tests.protocol_dlms.trees import trees

NAMES = catalogue.find_profile("SMR", "5.2")["LTE_DIAGNOSTIC"].interface_class.enumerations


def data(octets: str) -> Data:
    return axdr.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("octets", "names", "expected"),
    [
        ("1601", NAMES["status"], Status(1, "REGISTERED_HOME_NETWORK")),
        ("1105", NAMES["status"], Status(5, "REGISTERED_ROAMING")),
        ("1606", NAMES["status"], Status(6, "RESERVED")),
        ("1602", NAMES["cs_attachment"], Status(2, "ACTIVE")),
        ("16ff", NAMES["cs_attachment"], Status(255, "RESERVED")),
        ("1608", NAMES["ps_status"], Status(8, "LTE_NB_IOT")),
        ("1609", NAMES["ps_status"], Status(9, "RESERVED")),
        ("00", NAMES["ps_status"], None),
    ],
)
def test_statuses(octets: str, names: tuple[str, ...], expected: Status | None) -> None:
    assert gsm.parse_status(data(octets), names, "The status") == expected


@pytest.mark.parametrize("octets", ["0fff", "120100", "0901ff", "0100"])
def test_statuses_that_are_none(octets: str) -> None:
    with pytest.raises(Fault, match="The status"):
        gsm.parse_status(data(octets), NAMES["status"], "The status")


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("0a034b504e", "KPN"),
        ("09034b504e", "KPN"),
        ("0905 4b504e0000", "KPN"),
        ("0902 e9 1b", "\ufffd"),
        ("0a00", ""),
        ("00", None),
    ],
)
def test_operators(octets: str, expected: str | None) -> None:
    assert gsm.parse_operator(data(octets)) == expected


def test_no_operator() -> None:
    with pytest.raises(Fault):
        gsm.parse_operator(data("1101"))
    assert len(gsm.parse_operator(data("0982ffff" + "41" * 0xFFFF)) or "") == 255


def test_cell_info() -> None:
    octets = "0207 0600012cc8 1208b6 110d 1100 1200cc 120004 060000006b"
    assert gsm.parse_cell_info(data(octets), {}) == CellInfo(77000, 2230, "MINUS_87_DBM", 0, 204, 4, 107)
    assert gsm.parse_cell_info(data("0204 12ffff 1208b6 1163 1163"), {}) == CellInfo(
        65535, 2230, "NOT_KNOWN_OR_NOT_DETECTABLE", 99, None, None, None
    )
    assert gsm.parse_cell_info(data("0207 00 00 00 00 00 00 00"), {}) == CellInfo(*[None] * 7)
    assert gsm.parse_cell_info(data("00"), {}) is None


@pytest.mark.parametrize("octets", ["0206 0600012cc8 1208b6 110d 1100 1200cc 120004", "1105"])
def test_cell_info_that_is_none(octets: str) -> None:
    with pytest.raises(Fault):
        gsm.parse_cell_info(data(octets), {})


@pytest.mark.parametrize(
    ("octets", "member", "reason"),
    [
        # Seen in the field: modems that tell 32. 3GPP TS 27.007, 8.5: 0 to 31, and 99.
        ("0207 0600012cc8 1208b6 1120 1100 1200cc 120004 060000006b", "signal_quality", "index 32"),
        ("0207 0600012cc8 1208b6 110d 1100 1200cc 120004 0901ff", "channel_number", "not a number"),
        ("0207 05ffffffff 1208b6 110d 1100 1200cc 120004 060000006b", "cell_id", "cell id is negative"),
    ],
)
def test_an_odd_member_costs_itself(octets: str, member: str, reason: str) -> None:
    faults: dict[str, Fault] = {}
    cell = gsm.parse_cell_info(data(octets), faults)
    assert cell is not None
    whole = CellInfo(77000, 2230, "MINUS_87_DBM", 0, 204, 4, 107)
    assert cell == whole._replace(**{member: None})
    assert list(faults) == [member]
    assert reason in faults[member].message


def test_adjacent_cells() -> None:
    assert gsm.parse_adjacent_cells(data("0102 0202 060000005d 1109 0202 12005e 00"), {}) == [
        AdjacentCell(93, "MINUS_95_DBM"),
        AdjacentCell(94, None),
    ]
    assert gsm.parse_adjacent_cells(data("00"), {}) == gsm.parse_adjacent_cells(data("0100"), {}) == []
    for octets in ("1101", "0165" + "0202 1101 1101" * 0x65):
        with pytest.raises(Fault):
            gsm.parse_adjacent_cells(data(octets), {})


def test_odd_adjacent_cells_cost_themselves() -> None:
    faults: dict[str, Fault] = {}
    said = "0104 0202 060000005d 1120 0202 0901ff 1100 1101 0201 1101"
    assert gsm.parse_adjacent_cells(data(said), faults) == [
        AdjacentCell(93, None),
        AdjacentCell(None, "MINUS_113_DBM_OR_LESS"),
        AdjacentCell(None, None),
        AdjacentCell(None, None),
    ]
    assert list(faults) == ["0.signal_quality", "1.cell_id", "2", "3"]


@given(trees())
def test_any_data_end_in_a_value_or_a_fault(value: Data) -> None:
    with suppress(Fault):
        gsm.parse_operator(value)
    for understand in (gsm.parse_cell_info, gsm.parse_adjacent_cells):
        with suppress(Fault):
            understand(value, {})
