"""What AddDevice accepts and what it refuses, by field and by code."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device, MeterKnowledge
from osgp.faults import Fault, FaultCode
from osgp.installation.add_device import AddDevice
from osgp.installation.device_parameters import make_columns
from tests.installation.bodies import (
    IDENTIFICATION,
    MBUS_KEYS,
    add,
    check,
    e_meter,
    encrypted,
    gas_meter,
    without,
)


def faulty_fields(body: dict[str, Any]) -> set[str]:
    with pytest.raises(ValidationError) as refusal:
        AddDevice().parse(body)
    assert isinstance(refusal.value.detail, dict)
    return set(refusal.value.detail)


def fault(organisation: Organisation, body: dict[str, Any]) -> tuple[FaultCode, str]:
    """Code and field of the fault, the same for checking and for carrying out; nothing is stored."""
    with pytest.raises(Fault) as checked:
        check(organisation, body)
    with pytest.raises(Fault) as performed:
        add(organisation, body)
    assert not Device.objects.exists()
    outcomes = {(error.value.code, error.value.pointer) for error in (checked, performed)}
    assert len(outcomes) == 1
    return outcomes.pop()


@pytest.mark.parametrize(
    "name",
    ["device_type", "protocol_name", "protocol_version", "communication_method", "transport", "security"],
)
def test_fields_that_an_e_meter_needs(name: str) -> None:
    assert faulty_fields(without(e_meter(), name)) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device_type", "SMART_METER_X"),
        ("protocol_name", ""),
        ("protocol_name", 5),
        ("protocol_version", 5.1),
        ("communication_method", "SMOKE"),
        ("network_address", 1),
        ("network_address", "x" * 256),
        ("port", 0),
        ("port", 65536),
        ("port", "4059"),
        ("logical_device_address", 0),
        ("logical_device_address", 65536),
        ("transport", "UDP"),
        ("security", "HLS2"),
        ("security", "hls3"),
        ("security", ["HLS3"]),
        ("challenge_length", "16"),
        ("with_list_max", 0),
        ("with_list_max", 256),
        ("selective_access", "yes"),
        ("polyphase", 1),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", ""),
        ("model", "x" * 256),
        ("master_key", ""),
        ("master_key", None),
        ("master_key", "A" * 1401),
        ("overwrite", "true"),
        ("colour", "blue"),
    ],
)
def test_wrong_values_are_named(name: str, value: object) -> None:
    assert faulty_fields(e_meter() | {name: value}) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gateway", "no blanks"),
        ("gateway", ""),
        ("channel", 0),
        ("channel", 5),
        ("mbus_identification_number", "1234567"),
        ("mbus_identification_number", "1234567A"),
        ("mbus_identification_number", "12345678\n"),
        ("mbus_identification_number", "١٢٣٤٥٦٧٨"),
        ("mbus_manufacturer", "lgb"),
        ("mbus_manufacturer", "LGBX"),
        ("mbus_version", 256),
        ("mbus_device_type", -1),
        ("mbus_primary_address", 256),
    ],
)
def test_wrong_values_of_m_bus_devices_are_named(name: str, value: object) -> None:
    body = gas_meter(gateway="E1", channel=1) | {name: value}
    assert faulty_fields(body) == {name}


@pytest.mark.parametrize("name", ["master_key", "authentication_key", "encryption_key", "lls_password"])
def test_an_m_bus_device_has_no_keys_of_an_e_meter(name: str) -> None:
    assert faulty_fields(gas_meter(**encrypted({name: bytes(16)}))) == {name}


@pytest.mark.parametrize("name", ["master_key", "authentication_key", "encryption_key", "lls_password"])
def test_keys_of_e_meters_and_of_m_bus_devices_do_not_go_together(name: str) -> None:
    both = encrypted(MBUS_KEYS | {name: bytes(16)})
    assert faulty_fields(gas_meter(**both)) == {name}
    assert faulty_fields(e_meter() | both) == set(MBUS_KEYS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "AAAA") for name in MBUS_KEYS),
        ("gateway", "E1"),
        ("channel", 1),
        ("mbus_manufacturer", "LGB"),
        ("mbus_version", 0),
    ],
)
def test_an_e_meter_has_nothing_of_an_m_bus_device(name: str, value: object) -> None:
    assert faulty_fields(e_meter() | {name: value}) == {name}


def test_all_faulty_fields_are_named_at_once() -> None:
    assert faulty_fields(gas_meter(master_key="AAAA", lls_password="AAAA", channel=1)) == {
        "master_key",
        "lls_password",
        "gateway",
    }


@pytest.mark.parametrize("given", ["gateway", "channel"])
def test_gateway_and_channel_go_together(given: str) -> None:
    both = {"gateway": "E1", "channel": 1}
    (missing,) = both.keys() - {given}
    assert faulty_fields(gas_meter(**{given: both[given]})) == {missing}


def test_hdlc_addresses_are_shorter() -> None:
    assert AddDevice().parse(e_meter(transport="HDLC", logical_device_address=16382))
    assert AddDevice().parse(e_meter(transport="WRAPPER", logical_device_address=65535))
    assert faulty_fields(e_meter(transport="HDLC", logical_device_address=16384)) == {
        "logical_device_address"
    }


def test_secrets_are_marked_as_such() -> None:
    names = [str(name) for name in AddDevice().parameters_serializer().fields]
    secret = [name for name in names if name.endswith(("_key", "password"))]
    assert sorted(AddDevice().secret_fields) == sorted(secret)


@pytest.mark.parametrize("profile", catalogue.list_profiles(), ids=lambda profile: profile.key)
def test_every_profile_is_known(profile: catalogue.Profile) -> None:
    body = e_meter({}, protocol_name=profile.protocol_name.lower(), protocol_version=profile.protocol_version)
    assert make_columns(AddDevice().parse(body))["protocol_name"] == profile.protocol_name


def test_a_variant_makes_no_difference() -> None:
    columns = make_columns(AddDevice().parse(e_meter({}, protocol_variant="CDMA")))
    assert (columns["protocol_version"], columns["protocol_variant"]) == ("5.1", "CDMA")


@pytest.mark.parametrize("changes", [{"protocol_name": "DLMS"}, {"protocol_version": "5.10"}])
def test_unknown_profiles_are_206(organisation: Organisation, changes: dict[str, Any]) -> None:
    expected = (FaultCode.UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT, "/protocol_version")
    assert fault(organisation, e_meter(**changes)) == expected
    assert fault(organisation, gas_meter(**changes)) == expected


@pytest.mark.parametrize("length", [-1, 0, 7, 65, 2**62])
def test_challenge_lengths_other_than_8_to_64_are_213(organisation: Organisation, length: int) -> None:
    expected = (FaultCode.CHALLENGE_LENGTH_OUT_OF_RANGE, "/challenge_length")
    assert fault(organisation, e_meter(challenge_length=length)) == expected


@pytest.mark.parametrize("length", [8, 64])
def test_challenge_lengths_of_8_to_64_are_fine(organisation: Organisation, length: int) -> None:
    assert add(organisation, e_meter(challenge_length=length))[0].challenge_length == length


@pytest.mark.parametrize(
    "address",
    [
        *("", "  ", " 10.0.0.1", "10.0.0.256", "10.0.0", "1", "10.0.0.1\n"),
        *("a_b", "-a.b", "a-.b", "a..b", ".", "x" * 64, "é.nl"),
        *("http://x", "x:1", "[::1]"),
    ],
)
def test_what_is_no_network_address_is_212(organisation: Organisation, address: str) -> None:
    assert fault(organisation, e_meter(network_address=address)) == (
        FaultCode.INVALID_IP_ADDRESS,
        "/network_address",
    )


def test_an_e_meter_without_a_network_address_is_212(organisation: Organisation) -> None:
    body = without(e_meter(), "network_address")
    assert fault(organisation, body) == (FaultCode.INVALID_IP_ADDRESS, "/network_address")


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "localhost", "meter-1.example.org", "1a", "x" * 63])
def test_network_addresses(organisation: Organisation, address: str) -> None:
    assert add(organisation, e_meter(network_address=address))[0].network_address == address


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "169.254.169.254", "224.0.0.1", "::1", "::ffff:127.0.0.1"),
        *("fe80::1%eth0", "64:ff9b::7f00:1", "2002:7f00:1::1", "localhost", "meter.localhost", "LOCALHOST"),
    ],
)
def test_where_no_meters_are_dialled_is_212(
    organisation: Organisation, settings: Settings, address: str
) -> None:
    settings.OSGP = settings.OSGP | {"METER_NETWORKS": ["0.0.0.0/0", "::/0"]}
    assert fault(organisation, e_meter(network_address=address)) == (
        FaultCode.INVALID_IP_ADDRESS,
        "/network_address",
    )


def test_services_of_the_platform_are_212_at_their_port(
    organisation: Organisation, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"NEVER_DIALLED": ["10.0.0.1:5432"]}
    assert fault(organisation, e_meter(port=5432)) == (FaultCode.INVALID_IP_ADDRESS, "/network_address")
    assert add(organisation, e_meter(port=4059))[0].network_address == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "stored"),
    [("Meter-1.Example.ORG", "meter-1.example.org"), ("2001:DB8:0::1", "2001:db8::1")],
)
def test_network_addresses_are_stored_in_canonical_form(
    organisation: Organisation, address: str, stored: str
) -> None:
    assert add(organisation, e_meter(network_address=address))[0].network_address == stored


@pytest.mark.parametrize(
    ("security", "missing"),
    [
        ("HLS5", "master_key"),
        ("HLS5", "authentication_key"),
        ("HLS5", "encryption_key"),
        ("LLS", "lls_password"),
    ],
)
def test_missing_keys_are_806(organisation: Organisation, security: str, missing: str) -> None:
    body = without(e_meter(security=security), missing)
    assert fault(organisation, body) == (FaultCode.KEY_NOT_PRESENT, f"/{missing}")


@pytest.mark.parametrize("missing", MBUS_KEYS)
def test_missing_keys_of_an_m_bus_device_are_806(organisation: Organisation, missing: str) -> None:
    body = without(gas_meter(**encrypted(MBUS_KEYS)), missing)
    assert fault(organisation, body) == (FaultCode.KEY_NOT_PRESENT, f"/{missing}")


@pytest.mark.parametrize("given", ["mbus_user_key", "mbus_firmware_update_authentication_key", "mbus_p0_key"])
def test_keys_of_an_m_bus_device_without_its_default_key_are_806(
    organisation: Organisation, given: str
) -> None:
    body = gas_meter(**encrypted({given: MBUS_KEYS[given]}))
    assert fault(organisation, body) == (FaultCode.KEY_NOT_PRESENT, "/mbus_default_key")


@pytest.mark.parametrize("security", ["HLS3", "HLS4"])
def test_security_without_support_is_413(api: APIClient, organisation: Organisation, security: str) -> None:
    body = e_meter(security=security)
    assert fault(organisation, body) == (FaultCode.UNSUPPORTED_COMMUNICATION_SETTING, "/security")
    body["device_identification"] = IDENTIFICATION
    answer = api.post("/api/v1/installation/add-device/", body, format="json")
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["code"], problem["name"]) == (413, "UNSUPPORTED_COMMUNICATION_SETTING")
    [error] = problem["errors"]
    assert error["pointer"] == "/security"
    assert "NONE, LLS, HLS5" in error["detail"]
    invalid = api.post("/api/v1/installation/add-device/", {**body, "port": 0}, format="json")
    assert [error["pointer"] for error in invalid.json()["errors"]] == ["/port"]


@pytest.mark.parametrize("name", ["master_key", "authentication_key", "encryption_key", "lls_password"])
def test_keys_that_were_not_encrypted_for_the_platform_are_804(organisation: Organisation, name: str) -> None:
    body = e_meter() | {name: "0" * 344}
    assert fault(organisation, body) == (FaultCode.DECRYPTION_EXCEPTION, f"/{name}")


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("master_key", 32),
        ("encryption_key", 15),
        ("encryption_key", 0),
        ("lls_password", 0),
        ("lls_password", 65),
    ],
)
def test_keys_of_a_wrong_length_are_802(organisation: Organisation, name: str, length: int) -> None:
    body = e_meter() | encrypted({name: b"k" * length})
    assert fault(organisation, body) == (FaultCode.INVALID_DLMS_KEY_FORMAT, f"/{name}")


@pytest.mark.parametrize("name", MBUS_KEYS)
def test_keys_of_an_m_bus_device_are_checked_too(organisation: Organisation, name: str) -> None:
    body = gas_meter(**encrypted(MBUS_KEYS))
    assert fault(organisation, body | {name: "AAAA"}) == (FaultCode.DECRYPTION_EXCEPTION, f"/{name}")
    short = encrypted({name: bytes(16) + b"8 octets"})
    assert fault(organisation, body | short) == (FaultCode.INVALID_DLMS_KEY_FORMAT, f"/{name}")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (
            lambda: without(gas_meter(**encrypted(MBUS_KEYS)), "mbus_p0_key"),
            FaultCode.KEY_NOT_PRESENT,
            "/mbus_p0_key",
        ),
        (
            lambda: gas_meter(**encrypted(MBUS_KEYS | {"master_key": bytes(16)})),
            FaultCode.VALIDATION_ERROR,
            "/master_key",
        ),
    ],
    ids=["missing", "both"],
)
def test_callers_are_told_which_key_is_to_blame(
    api: APIClient, body: Callable[[], dict[str, Any]], code: FaultCode, pointer: str
) -> None:
    sent = {"device_identification": IDENTIFICATION, **body()}
    answer = api.post("/api/v1/installation/add-device/", sent, format="json")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, code)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


# --- Settings of meters -----------------------------------------------------------------------------------


def test_every_setting_may_be_given(organisation: Organisation) -> None:
    given = {
        "client_address": 2,
        "client_system_title": "4142430000000001",
        "counter_object": "0.0.43.1.1.255",
        "connect_deadline": 40,
        "apdu_deadline": 90,
        "pause_between_connections": 3,
        "attempts": 5,
        "with_list_max": 8,
        "receive_size": 500,
        "carrier": "TCP",
        "range_borders": "END",
        "range_bounds": "NO_DEVIATION",
        "deviation_sign": "OPPOSITE",
    }
    hdlc = {
        "server_lower_address": 17,
        "server_address_length": 2,
        "hdlc_information_size": 128,
        "hdlc_window": 3,
    }
    assert set(SETTINGS) == set(given) | set(hdlc)
    device, _ = add(organisation, e_meter(transport="HDLC", **given, **hdlc))
    stored = {**given, **hdlc, "counter_object": "0-0:43.1.1.255"}
    assert device.with_list_max == stored.pop("with_list_max")
    assert device.own_settings == stored
    add(organisation, e_meter(overwrite=True, attempts=2))
    device.refresh_from_db()
    assert (device.own_settings, device.with_list_max) == ({"attempts": 2}, 0)


def test_a_replaced_device_is_learned_anew(organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter())
    row = MeterKnowledge.objects.create(digest="0" * 32, content={"descriptions": {}, "habits": {}})
    Device.objects.update(knowledge=row, knowledge_checked={"X": "2026-03-01T12:00:00+00:00"})
    add(organisation, e_meter(overwrite=True))
    device.refresh_from_db()
    assert (device.knowledge, device.knowledge_checked) == (None, None)


@pytest.mark.parametrize(
    ("given", "faulty"),
    [
        ({"hdlc_window": 3, "server_address_length": 1}, {"hdlc_window", "server_address_length"}),
        ({"transport": "HDLC", "carrier": "UDP"}, {"carrier"}),
        ({"transport": "HDLC", "server_address_length": 2}, {"server_address_length"}),
        ({"transport": "HDLC", "logical_device_address": 127}, {"logical_device_address"}),
        ({"attempts": 0, "apdu_deadline": "90"}, {"attempts", "apdu_deadline"}),
        ({"carrier": None}, {"carrier"}),
        (
            {"client_system_title": "4142430000000001", "system_title": "4142430000000001"},
            {"client_system_title"},
        ),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, Any], faulty: set[str]) -> None:
    assert faulty_fields(e_meter(**given)) == faulty


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"with_list_max"}))
def test_gas_meters_have_no_settings(name: str) -> None:
    assert faulty_fields(gas_meter(**{name: SETTINGS[name].default or 1})) >= {name}


def test_the_system_title_of_the_meter(organisation: Organisation) -> None:
    """By it its ciphered pushes are known, before the first visit has learned it."""
    add(organisation, e_meter(system_title="4d4d4d0000bc614e"))
    assert Device.objects.get().system_title == "4D4D4D0000BC614E"
    for wrong in ("4D4D4D", "4D4D4D0000BC614E00", "4D4D4D0000BC614G", 16, None):
        assert faulty_fields(e_meter(system_title=wrong)) == {"system_title"}
