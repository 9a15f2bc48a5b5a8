import pytest

from osgp.catalogue import gas_scaler_unit
from osgp.catalogue.units import ScalerUnit, Unit


@pytest.mark.parametrize("model", ["G4", "G6", "xG6y", "G4-G6"])
def test_small_meters_count_litres(model: str) -> None:
    assert gas_scaler_unit(model) == ScalerUnit(-3, Unit.M3)


@pytest.mark.parametrize("model", ["G10", "G16", "G25", "G4 and G25"])
def test_large_meters_count_ten_litres(model: str) -> None:
    assert gas_scaler_unit(model) == ScalerUnit(-2, Unit.M3)


@pytest.mark.parametrize(
    "model",
    [
        None,
        "",
        "unknown",
        "g4",
        "G4SRT 1.2L",
        "G10-16SRT_SMR55",
        "G25SRT_SMR55",
        "elster-instromet G4",
        "flonidan-gasmeter G16",
    ],
)
def test_unknown_and_exceptional_models_must_be_read(model: str | None) -> None:
    assert gas_scaler_unit(model) is None
