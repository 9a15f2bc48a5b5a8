"""Which objects take part in power quality requests, in which order, and with which units."""

import pytest

from osgp import catalogue
from osgp.catalogue import Profile
from tests.catalogue.generations import ALL, BY_KEY, DSMR4, SMR5, WITH_THD

PHASES = ("L1", "L2", "L3")


def per_phase(prefix: str) -> list[str]:
    return [f"{prefix}_{phase}" for phase in PHASES]


IN_ORDER = [
    "INSTANTANEOUS_ACTIVE_POWER_IMPORT",
    "INSTANTANEOUS_ACTIVE_POWER_EXPORT",
    *per_phase("INSTANTANEOUS_ACTIVE_POWER_IMPORT"),
    *per_phase("INSTANTANEOUS_ACTIVE_POWER_EXPORT"),
    "INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES",
    *per_phase("INSTANTANEOUS_CURRENT"),
    *per_phase("INSTANTANEOUS_VOLTAGE"),
    *per_phase("AVERAGE_ACTIVE_POWER_IMPORT"),
    *per_phase("AVERAGE_ACTIVE_POWER_EXPORT"),
    *per_phase("AVERAGE_REACTIVE_POWER_IMPORT"),
    *per_phase("AVERAGE_REACTIVE_POWER_EXPORT"),
    *per_phase("AVERAGE_CURRENT"),
    *per_phase("AVERAGE_VOLTAGE"),
    "NUMBER_OF_POWER_FAILURES",
    "NUMBER_OF_LONG_POWER_FAILURES",
    *per_phase("NUMBER_OF_VOLTAGE_SAGS_FOR"),
    *per_phase("NUMBER_OF_VOLTAGE_SWELLS_FOR"),
    "CDMA_DIAGNOSTIC",
    "GPRS_DIAGNOSTIC",
    "LTE_DIAGNOSTIC",
    "MBUS_CLIENT_SETUP",
    "MBUS_DIAGNOSTIC",
]


def wanted(profile: Profile, visibility: str, request: str) -> list[str]:
    return [
        cosem_object.tag
        for cosem_object in profile
        if cosem_object.power_quality_profile == visibility and request in cosem_object.power_quality_requests
    ]


@pytest.mark.parametrize("profile", catalogue.list_profiles(), ids=lambda profile: profile.key)
def test_order_of_results(profile: Profile) -> None:
    tags = [cosem_object.tag for cosem_object in profile]
    assert [tag for tag in tags if tag in IN_ORDER] == [tag for tag in IN_ORDER if tag in profile]
    assert tags.index("CLOCK") < min(tags.index(tag) for tag in IN_ORDER if tag in profile)


@pytest.mark.parametrize(
    ("keys", "visibility", "single_phase", "polyphase"),
    [
        (ALL, "PUBLIC", 6, 14),
        (("DSMR-2.2",), "PRIVATE", 2, 4),
        (DSMR4 + SMR5, "PRIVATE", 11, 27),
    ],
)
def test_number_of_actual_values_of_dutch_meters(
    keys: tuple[str, ...], visibility: str, single_phase: int, polyphase: int
) -> None:
    for key in keys:
        assert len(wanted(BY_KEY[key], visibility, "ACTUAL_SP")) == single_phase
        assert len(wanted(BY_KEY[key], visibility, "ACTUAL_PP")) == polyphase


DLP, PQ1, PQ2 = "DEFINABLE_LOAD_PROFILE", "POWER_QUALITY_PROFILE_1", "POWER_QUALITY_PROFILE_2"
POWER = ("AVERAGE_ACTIVE_POWER_IMPORT", "AVERAGE_ACTIVE_POWER_EXPORT", "AVERAGE_REACTIVE_POWER_IMPORT")
POWER += ("AVERAGE_REACTIVE_POWER_EXPORT",)
DSMR4_PUBLIC_SP = [
    "NUMBER_OF_VOLTAGE_SWELLS_FOR_L1",
    "NUMBER_OF_VOLTAGE_SAGS_FOR_L1",
    "NUMBER_OF_POWER_FAILURES",
    "INSTANTANEOUS_VOLTAGE_L1",
    "AVERAGE_VOLTAGE_L1",
]
DSMR4_PUBLIC_PP = [*per_phase("INSTANTANEOUS_VOLTAGE"), *per_phase("AVERAGE_VOLTAGE")]
POWER_SP = [f"{quantity}_L1" for quantity in POWER]
POWER_PP = [tag for quantity in POWER for tag in per_phase(quantity)]
SAGS_SP = ["NUMBER_OF_VOLTAGE_SAGS_FOR_L1", "NUMBER_OF_VOLTAGE_SWELLS_FOR_L1", "NUMBER_OF_POWER_FAILURES"]
SAGS_PP = [
    *per_phase("NUMBER_OF_VOLTAGE_SAGS_FOR"),
    *per_phase("NUMBER_OF_VOLTAGE_SWELLS_FOR"),
    "NUMBER_OF_POWER_FAILURES",
]
MODEMS = ["CDMA_DIAGNOSTIC", "GPRS_DIAGNOSTIC"]
LTE = ["LTE_DIAGNOSTIC"]
MBUS = ["MBUS_CLIENT_SETUP", "MBUS_DIAGNOSTIC"]


@pytest.mark.parametrize(
    ("keys", "phase", "visibility", "buffer", "expected"),
    [
        (DSMR4[:1], "SP", "PUBLIC", DLP, DSMR4_PUBLIC_SP),
        (DSMR4[:1], "PP", "PUBLIC", DLP, DSMR4_PUBLIC_PP),
        (DSMR4[1:], "SP", "PUBLIC", DLP, ["CDMA_DIAGNOSTIC", *DSMR4_PUBLIC_SP]),
        (DSMR4[1:], "PP", "PUBLIC", DLP, ["CDMA_DIAGNOSTIC", *DSMR4_PUBLIC_PP]),
        (DSMR4, "SP", "PRIVATE", DLP, ["INSTANTANEOUS_CURRENT_L1", "AVERAGE_CURRENT_L1", *POWER_SP]),
        (DSMR4, "PP", "PRIVATE", DLP, ["INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES", *POWER_PP]),
        (SMR5[:2], "SP", "PUBLIC", DLP, [*SAGS_SP, *MODEMS, *MBUS]),
        (SMR5[:2], "PP", "PUBLIC", DLP, [*SAGS_PP, *MODEMS, *MBUS]),
        (SMR5[2:], "SP", "PUBLIC", DLP, [*SAGS_SP, *MODEMS, *LTE, *MBUS]),
        (SMR5[2:], "PP", "PUBLIC", DLP, [*SAGS_PP, *MODEMS, *LTE, *MBUS]),
        (SMR5, "SP", "PUBLIC", PQ1, []),
        (SMR5, "PP", "PUBLIC", PQ1, []),
        (SMR5, "SP", "PUBLIC", PQ2, ["AVERAGE_VOLTAGE_L1", "INSTANTANEOUS_VOLTAGE_L1"]),
        (SMR5, "PP", "PUBLIC", PQ2, per_phase("AVERAGE_VOLTAGE")),
        (SMR5, "SP", "PRIVATE", DLP, []),
        (SMR5, "PP", "PRIVATE", DLP, []),
        (SMR5, "SP", "PRIVATE", PQ1, POWER_SP),
        (SMR5, "PP", "PRIVATE", PQ1, POWER_PP),
        (SMR5, "SP", "PRIVATE", PQ2, ["AVERAGE_CURRENT_L1", "INSTANTANEOUS_CURRENT_L1"]),
        (SMR5, "PP", "PRIVATE", PQ2, per_phase("AVERAGE_CURRENT")),
    ],
)
def test_periodic_columns(
    keys: tuple[str, ...], phase: str, visibility: str, buffer: str, expected: list[str]
) -> None:
    for key in keys:
        profile = BY_KEY[key]
        periodic = wanted(profile, visibility, f"PERIODIC_{phase}")
        assert [tag for tag in profile[buffer].selectable_objects if tag in periodic] == expected


@pytest.mark.parametrize("key", ["DSMR-2.2", *DSMR4, *SMR5])
def test_average_power_has_another_code_in_smr5(key: str) -> None:
    profile = BY_KEY[key]
    if key == "DSMR-2.2":
        assert "AVERAGE_ACTIVE_POWER_IMPORT_L1" not in profile
        return
    group_d = 4 if key in SMR5 else 24
    assert profile["AVERAGE_ACTIVE_POWER_IMPORT_L1"].obis == f"1-0:21.{group_d}.0.255"
    assert profile["AVERAGE_REACTIVE_POWER_EXPORT_L3"].obis == f"1-0:64.{group_d}.0.255"


@pytest.mark.parametrize(
    ("tag", "dsmr2", "dsmr4", "smr5"),
    [
        ("INSTANTANEOUS_ACTIVE_POWER_IMPORT", None, "0, W", "0, W"),
        ("AVERAGE_REACTIVE_POWER_EXPORT_L2", None, "0, VAR", "0, VAR"),
        ("INSTANTANEOUS_CURRENT_L1", "0, A", "0, A", "-2, A"),
        ("INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES", "0, A", "0, A", "-2, A"),
        ("AVERAGE_CURRENT_L3", None, "0, A", "-2, A"),
        ("AVERAGE_VOLTAGE_L2", "0, V", "0, V", "-1, V"),
        ("INSTANTANEOUS_VOLTAGE_L1", "0, V", "read", "-1, V"),
        ("INSTANTANEOUS_VOLTAGE_L3", "0, V", "read", "-1, V"),
    ],
)
def test_scalers_and_units(tag: str, dsmr2: str | None, dsmr4: str, smr5: str) -> None:
    expected = {"DSMR-2.2": dsmr2, **dict.fromkeys(DSMR4, dsmr4), **dict.fromkeys(SMR5, smr5)}
    for key, text in expected.items():
        if text is None:
            assert tag not in BY_KEY[key]
            continue
        register = BY_KEY[key][tag]
        assert register.attributes[2].data_type == "long-unsigned"
        scaler_unit = register.attributes[3].scaler_unit
        assert ("read" if scaler_unit is None else str(scaler_unit)) == text


def test_meters_may_disagree_with_a_stated_scaler_that_must_be_read() -> None:
    attribute = BY_KEY["DSMR-4.2.2"]["INSTANTANEOUS_VOLTAGE_L1"].attributes[3]
    assert attribute.scaler_unit is None
    assert str(attribute.stated_scaler_unit) == "0, V"


@pytest.mark.parametrize("key", ALL)
def test_harmonic_distortion_in_dutch_meters(key: str) -> None:
    profile = BY_KEY[key]
    tags = [cosem_object.tag for cosem_object in profile if cosem_object.tag.startswith("THD_INSTANTANEOUS")]
    if key not in WITH_THD:
        assert tags == []
        return
    current, fingerprint = (
        per_phase(f"THD_INSTANTANEOUS_CURRENT{suffix}") for suffix in ("", "_FINGERPRINT")
    )
    assert tags == current + fingerprint
    for group_c, tag in zip((31, 51, 71), current, strict=True):
        assert (profile[tag].class_id, profile[tag].obis) == (3, f"1-0:{group_c}.7.124.255")
        assert str(profile[tag].attributes[3].scaler_unit) == "0, PERCENT"
    for group_e, tag in zip((24, 25, 26), fingerprint, strict=True):
        assert (profile[tag].class_id, profile[tag].obis) == (1, f"0-1:94.31.{group_e}.255")
    single_phase = {cosem_object.tag for cosem_object in profile.list_objects(polyphase=False)}
    assert single_phase & set(tags) == {current[0], fingerprint[0]}
    for group_c, phase in zip((31, 51, 71), PHASES, strict=True):
        counter = profile[f"THD_CURRENT_OVER_LIMIT_COUNTER_{phase}"]
        assert counter.obis == f"1-0:{group_c}.36.124.255"
        assert str(counter.attributes[3].scaler_unit) == "0, COUNT"
