from decimal import Decimal

import pytest

from osgp.catalogue.units import ScalerUnit, Unit


@pytest.mark.parametrize(
    ("code", "unit", "symbol"),
    [
        (7, Unit.SECOND, "s"),
        (13, Unit.M3, "m³"),
        (14, Unit.M3_CORRECTED, "m³ (corrected)"),
        (27, Unit.W, "W"),
        (28, Unit.VA, "VA"),
        (29, Unit.VAR, "var"),
        (30, Unit.WH, "Wh"),
        (31, Unit.VAH, "VAh"),
        (32, Unit.VARH, "varh"),
        (33, Unit.A, "A"),
        (35, Unit.V, "V"),
        (44, Unit.HERTZ, "Hz"),
        (56, Unit.PERCENT, "%"),
        (57, Unit.AMPERE_HOUR, "Ah"),
        (60, Unit.WH_PER_M3, "Wh/m³"),
        (70, Unit.DECIBEL_MILLIWATT, "dBm"),
        (72, Unit.DECIBEL, "dB"),
        (255, Unit.COUNT, ""),
    ],
)
def test_codes_of_the_blue_book(code: int, unit: Unit, symbol: str) -> None:
    assert Unit(code) is unit
    assert unit.symbol == symbol


def test_no_two_units_share_a_symbol() -> None:
    symbols = [unit.symbol for unit in Unit]
    assert len(set(symbols)) == len(symbols)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0, WH", ScalerUnit(0, Unit.WH)),
        ("-3, M3", ScalerUnit(-3, Unit.M3)),
        ("-1, V", ScalerUnit(-1, Unit.V)),
        ("0, %", ScalerUnit(0, Unit.PERCENT)),
        ("0, s", ScalerUnit(0, Unit.SECOND)),
        ("0, S", ScalerUnit(0, Unit.SIEMENS)),
        ("0, COUNT", ScalerUnit(0, Unit.COUNT)),
        ("0, undefined", ScalerUnit(0, Unit.UNDEFINED)),
        ("-2,m³", ScalerUnit(-2, Unit.M3)),
        (" 127 , Wh ", ScalerUnit(127, Unit.WH)),
    ],
)
def test_reads_scaler_and_unit(text: str, expected: ScalerUnit) -> None:
    assert ScalerUnit.from_text(text) == expected


@pytest.mark.parametrize("unit", Unit)
def test_text_round_trip(unit: Unit) -> None:
    assert ScalerUnit.from_text(str(ScalerUnit(-2, unit))) == ScalerUnit(-2, unit)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a scaler and unit"),
        ("WH", "not a scaler and unit"),
        ("0 WH", "not a scaler and unit"),
        ("0,", "not a scaler and unit"),
        ("1.5, WH", "not a scaler and unit"),
        ("0, furlong", "unknown unit 'furlong'"),
        ("128, WH", "scaler 128 is outside"),
        ("-129, WH", "scaler -129 is outside"),
    ],
)
def test_refuses_bad_scaler_and_unit(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ScalerUnit.from_text(text)


def test_applies_the_scaler_exactly() -> None:
    assert ScalerUnit(-3, Unit.M3).apply(4_294_967_295) == Decimal("4294967.295")
    assert ScalerUnit(2, Unit.WH).apply(-7) == Decimal(-700)
    assert ScalerUnit(-1, Unit.V).apply(0) == 0
