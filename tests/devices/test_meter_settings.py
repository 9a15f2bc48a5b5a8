"""Settings of meters: their declarations, which values they take, and what goes together."""

from dataclasses import fields
from typing import Any

import pytest

from osgp.catalogue.communication import Carrier, DeviationSign, Framing, RangeBorders, RangeBounds
from osgp.devices import setting_changes
from osgp.devices.meter_settings import SETTINGS, STANDARD, MeterSettings, check_together
from osgp.devices.models import Device, SettingsKind, SharedSettings
from osgp.devices.setting_changes import InvalidSettings
from osgp.devices.settings_resolution import Layers, Source
from tests.factories import make_device, make_gas_meter

VALID = [
    ("client_address", 1, 1),
    ("client_address", 65535, 65535),
    ("server_lower_address", 16382, 16382),
    ("server_address_length", 4, 4),
    ("client_system_title", "4f53475048455301", "4F53475048455301"),
    ("counter_object", "0.0.43.1.0.255", "0-0:43.1.0.255"),
    ("counter_object", "0-0:43.1.0.255", "0-0:43.1.0.255"),
    ("connect_deadline", 40, 40.0),
    ("apdu_deadline", 90.5, 90.5),
    ("pause_between_connections", 3, 3.0),
    ("attempts", 20, 20),
    ("with_list_max", 255, 255),
    ("receive_size", 64, 64),
    ("hdlc_information_size", 2030, 2030),
    ("hdlc_window", 7, 7),
    ("carrier", "UDP", "UDP"),
    ("range_borders", "END", "END"),
    ("range_bounds", "FULL_HOURS", "FULL_HOURS"),
    ("deviation_sign", "OPPOSITE", "OPPOSITE"),
]
INVALID = [
    ("client_address", 0),  # no station
    ("client_address", 65536),
    ("client_address", "1"),
    ("client_address", True),
    ("client_address", 1.0),
    ("server_lower_address", 0),  # no station
    ("server_lower_address", 0x3FFF),  # all stations
    ("server_address_length", 3),
    ("client_system_title", "4F5347504845530"),
    ("client_system_title", "4F53475048455301 "),
    ("client_system_title", 16),
    ("counter_object", "0-0:43.1.0.256"),
    ("counter_object", "0-x:43.1.0.255"),
    ("counter_object", 43),
    ("connect_deadline", 0),
    ("connect_deadline", float("nan")),
    ("connect_deadline", "40"),
    ("apdu_deadline", 481),
    ("pause_between_connections", 60.5),
    ("pause_between_connections", -1),
    ("attempts", 0),
    ("with_list_max", 0),
    ("receive_size", 63),
    ("hdlc_information_size", 2031),
    ("hdlc_window", 8),
    ("carrier", "SMS"),
    ("range_borders", "end"),
    ("range_bounds", None),
    ("deviation_sign", 1),
]


@pytest.mark.parametrize(("name", "value", "stored"), VALID)
def test_values_that_a_setting_takes(name: str, value: Any, stored: Any) -> None:
    parsed = SETTINGS[name].parse(value)
    assert parsed == stored
    assert type(parsed) is type(stored)
    assert SETTINGS[name].read(f" {value} ") == stored


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_values_that_it_does_not_take(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^Must be "):
        SETTINGS[name].parse(value)


@pytest.mark.parametrize("text", ["", "x", "1e999", "nan", "9" * 5000])
@pytest.mark.parametrize("name", SETTINGS)
def test_typed_texts_that_are_no_values(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^Must be "):
        SETTINGS[name].read(text)


def test_every_setting_is_declared_with_a_reason() -> None:
    assert list(SETTINGS) == [field.name for field in fields(MeterSettings)]
    assert set(SETTINGS) == {name for name, *_ in VALID}
    for setting in SETTINGS.values():
        assert setting.help.endswith("."), setting.name
        assert setting.default is None or setting.parse(setting.default) == setting.default


def test_resolved_settings_have_types() -> None:
    layers = Layers(
        {"carrier": "UDP", "range_borders": "END"},
        {"carrier": "TCP", "range_bounds": "NO_DEVIATION"},
        {"deviation_sign": "OPPOSITE", "range_borders": "BOTH"},
    )
    assert layers.resolve() == MeterSettings(
        carrier=Carrier.UDP,
        range_borders=RangeBorders.END,
        range_bounds=RangeBounds.NO_DEVIATION,
        deviation_sign=DeviationSign.OPPOSITE,
    )
    assert Layers({}, {}, {}).resolve() is STANDARD
    told = layers.explain()
    assert told["carrier"] == ("UDP", Source.DEVICE)
    assert told["range_bounds"] == ("NO_DEVIATION", Source.MODEL)
    assert told["deviation_sign"] == ("OPPOSITE", Source.PROFILE)
    assert told["client_address"] == (1, Source.DEFAULT)


@pytest.mark.parametrize(
    ("own", "upper", "wrong"),
    [
        # Green Book 8.4.2.3 (reserved HDLC addresses): 0x7F in one octet, and in each of two, and 0x3FFF in
        # four are all stations.
        ({}, 126, ""),
        ({}, 127, "logical_device_address"),
        ({}, 16382, ""),
        ({}, 16383, "logical_device_address"),
        ({"server_address_length": 1}, 126, ""),
        ({"server_address_length": 1}, 127, "server_address_length"),
        ({"server_address_length": 1, "server_lower_address": 17}, 1, "server_lower_address"),
        ({"server_address_length": 2, "server_lower_address": 126}, 126, ""),
        ({"server_address_length": 2, "server_lower_address": 127}, 1, "server_lower_address"),
        ({"server_address_length": 2, "server_lower_address": 17}, 127, "server_address_length"),
        ({"server_address_length": 2}, 1, "server_address_length"),
        ({"server_address_length": 4, "server_lower_address": 127}, 127, ""),
        ({"server_address_length": 4}, 16383, "server_address_length"),
        ({"server_lower_address": 16382}, 1, ""),
        ({"client_address": 126}, 1, ""),
        ({"client_address": 127}, 1, "client_address"),
        ({"carrier": "UDP"}, 1, "carrier"),
    ],
)
def test_what_goes_together_with_hdlc(own: dict[str, Any], upper: int, wrong: str) -> None:
    resolved = Layers(own, {}, {}).resolve()
    assert set(check_together(resolved, Framing.HDLC, upper)) == ({wrong} if wrong else set())
    assert check_together(resolved, Framing.WRAPPER, upper) == {}


# --- Changes ----------------------------------------------------------------------------------------------

database = pytest.mark.django_db


def refused(device: Device, **changes: Any) -> set[str]:
    before = Device.objects.values().get(pk=device.pk)
    with pytest.raises(InvalidSettings) as refusal:
        setting_changes.change_device(device.pk, changes)
    assert Device.objects.values().get(pk=device.pk) == before
    return set(refusal.value.errors)


@database
def test_settings_of_a_device() -> None:
    device = make_device()
    setting_changes.change_device(device.pk, {"receive_size": 500, "with_list_max": 4})
    setting_changes.change_device(device.pk, {"attempts": 5, "receive_size": None})
    device.refresh_from_db()
    assert (device.own_settings, device.with_list_max) == ({"attempts": 5}, 4)
    setting_changes.change_device(device.pk, {"attempts": None, "with_list_max": None, "carrier": None})
    device.refresh_from_db()
    assert (device.own_settings, device.with_list_max) == (None, 0)


@database
def test_settings_that_a_device_cannot_have() -> None:
    device = make_device(system_title="4142430000000001")
    assert refused(device, hdlc_window=3, server_lower_address=17, attempts=1) == {
        "hdlc_window",
        "server_lower_address",
    }
    assert refused(device, colour=1, attempts=0) == {"colour", "attempts"}
    assert refused(device, client_system_title="4142430000000001") == {"client_system_title"}
    hdlc = make_device("E2", framing=Framing.HDLC, own_settings={"server_lower_address": 17})
    assert refused(hdlc, carrier="UDP") == {"carrier"}
    assert refused(hdlc, server_address_length=1) == {"server_lower_address"}
    setting_changes.change_device(hdlc.pk, {"server_address_length": 2})
    assert refused(hdlc, server_lower_address=None) == {"server_address_length"}
    gas = make_gas_meter("G1", gateway=device, channel=1)
    assert refused(gas, attempts=2) == {"attempts"}


@database
def test_what_was_wrong_before_does_not_get_in_the_way() -> None:
    """A model got something that this device cannot have: other settings can still be changed."""
    device = make_device(framing=Framing.HDLC, model="X")
    setting_changes.change_shared(SettingsKind.MODEL, "X", {"carrier": "UDP"})
    setting_changes.change_device(device.pk, {"attempts": 2})
    assert refused(device, carrier="UDP") == {"carrier"}
    setting_changes.change_device(device.pk, {"carrier": "TCP"})


@database
def test_settings_of_a_model_or_profile() -> None:
    setting_changes.change_shared(SettingsKind.MODEL, "X", {"attempts": 2, "hdlc_window": 3})
    assert setting_changes.change_shared(SettingsKind.MODEL, "X", {"attempts": None}) == {"hdlc_window": 3}
    assert SharedSettings.objects.get().settings == {"hdlc_window": 3}
    setting_changes.change_shared(SettingsKind.MODEL, "X", {"hdlc_window": None})
    assert not SharedSettings.objects.exists()
    for kind, name in (
        (SettingsKind.PROFILE, "SMR-9.9"),
        (SettingsKind.MODEL, ""),
        (SettingsKind.MODEL, "\0"),
    ):
        with pytest.raises(InvalidSettings) as refusal:
            setting_changes.change_shared(kind, name, {"attempts": 2})
        assert set(refusal.value.errors) == {"name"}
    assert not SharedSettings.objects.exists()
