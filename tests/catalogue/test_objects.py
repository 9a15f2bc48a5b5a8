"""The objects that the operations rely on, one by one, and which of the shipped profiles have them."""

import pytest

from osgp.catalogue import Profile
from tests.catalogue.generations import ALL, BY_KEY, DSMR2, DSMR4, FROM_52, NOT_DSMR2, SHIPPED, SMR5, WITH_THD

each_shipped_profile = pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)


ROWS = [
    # tag, class, OBIS code, {attribute: (data type, access)}, profiles
    (
        "CLOCK",
        8,
        "0-0:1.0.0.255",
        {
            2: ("octet-string", "RW"),
            3: ("long", "RW"),
            4: ("clock_status", "R"),
            5: ("octet-string", "RW"),
            6: ("octet-string", "RW"),
            7: ("integer", "R"),
            8: ("boolean", "RW"),
            9: ("enum", "R"),
        },
        ALL,
    ),
    ("SPECIAL_DAYS_TABLE", 11, "0-0:11.0.0.255", {2: ("array", "RW")}, ALL),
    (
        "ACTIVITY_CALENDAR",
        20,
        "0-0:13.0.0.255",
        {
            2: ("octet-string", "R"),
            3: ("array", "R"),
            4: ("array", "R"),
            5: ("array", "R"),
            6: ("octet-string", "RW"),
            7: ("array", "RW"),
            8: ("array", "RW"),
            9: ("array", "RW"),
            10: ("octet-string", "RW"),
        },
        ALL,
    ),
    ("CONFIGURATION_OBJECT", 1, "0-1:94.31.3.255", {2: ("structure", "RW")}, DSMR4),
    ("CONFIGURATION_OBJECT", 1, "0-1:94.31.3.255", {2: ("bit-string", "RW")}, SMR5),
    ("ADMINISTRATIVE_IN_OUT", 1, "0-1:94.31.0.255", {2: ("enum", "RW")}, NOT_DSMR2),
    ("RANDOMISATION_SETTINGS", 1, "0-1:94.31.12.255", {2: ("structure", "RW")}, NOT_DSMR2),
    *(
        (
            tag,
            40,
            code,
            {
                2: ("array", "RW"),
                3: ("structure", "RW"),
                4: ("array", "RW"),
                5: ("long-unsigned", "RW"),
                6: ("unsigned", "RW"),
                7: ("long-unsigned", "RW"),
            },
            profiles,
        )
        for tag, code, profiles in (
            ("PUSH_SETUP_ALARM", "0-1:25.9.0.255", NOT_DSMR2),
            ("PUSH_SETUP_SMS", "0-2:25.9.0.255", NOT_DSMR2),
            ("PUSH_SETUP_UDP", "0-3:25.9.0.255", ("SMR-5.5",)),
        )
    ),
    ("ALARM_FILTER_1", 1, "0-0:97.98.10.255", {2: ("double-long-unsigned", "RW")}, ALL),
    ("ALARM_FILTER_2", 1, "0-0:97.98.11.255", {2: ("double-long-unsigned", "RW")}, FROM_52),
    ("ALARM_FILTER_3", 1, "0-0:97.98.12.255", {2: ("double-long-unsigned", "RW")}, ("SMR-5.5",)),
    ("ALARM_REGISTER_1", 1, "0-0:97.98.0.255", {2: ("double-long-unsigned", "RW")}, ALL),
    ("ALARM_REGISTER_2", 1, "0-0:97.98.1.255", {2: ("double-long-unsigned", "RW")}, FROM_52),
    ("ALARM_REGISTER_3", 1, "0-0:97.98.2.255", {2: ("double-long-unsigned", "RW")}, ("SMR-5.5",)),
    ("ACTIVE_FIRMWARE_IDENTIFIER", 1, "1-0:0.2.0.255", {2: ("octet-string", "R")}, ALL),
    ("MODULE_ACTIVE_FIRMWARE_IDENTIFIER", 1, "1-1:0.2.0.255", {2: ("octet-string", "R")}, ALL),
    ("COMMUNICATION_MODULE_ACTIVE_FIRMWARE_IDENTIFIER", 1, "1-2:0.2.0.255", {2: ("octet-string", "R")}, ALL),
    ("MBUS_DRIVER_ACTIVE_FIRMWARE_IDENTIFIER", 1, "1-4:0.2.0.255", {2: ("octet-string", "R")}, SMR5),
    ("MBUS_DEVICE_CONFIG_SIMPLE_VERSION_INFO", 4, "0-x:24.2.11.255", {2: ("octet-string", "R")}, SMR5),
    (
        "IMAGE_TRANSFER",
        18,
        "0-0:44.0.0.255",
        {
            2: ("double-long-unsigned", "R"),
            3: ("bit-string", "R"),
            4: ("double-long-unsigned", "R"),
            5: ("boolean", "RW"),
            6: ("enum", "R"),
            7: ("array", "R"),
        },
        NOT_DSMR2,
    ),
    (
        "DEFINABLE_LOAD_PROFILE",
        7,
        "0-1:94.31.6.255",
        {
            2: ("array", "R"),
            3: ("array", "RW"),
            4: ("double-long-unsigned", "RW"),
            5: ("enum", "R"),
            8: ("double-long-unsigned", "RW"),
        },
        NOT_DSMR2,
    ),
    ("THD_VALUE_THRESHOLD", 3, "1-0:11.35.124.255", {2: ("long-unsigned", "RW")}, WITH_THD),
    ("THD_VALUE_HYSTERESIS", 3, "0-1:94.31.21.255", {2: ("long-unsigned", "RW")}, WITH_THD),
    ("THD_MIN_DURATION_NORMAL_TO_OVER", 3, "0-1:94.31.22.255", {2: ("double-long-unsigned", "RW")}, WITH_THD),
    ("THD_MIN_DURATION_OVER_TO_NORMAL", 3, "0-1:94.31.23.255", {2: ("double-long-unsigned", "RW")}, WITH_THD),
    ("THD_TIME_THRESHOLD", 3, "1-0:11.44.124.255", {2: ("double-long-unsigned", "RW")}, WITH_THD),
    ("READ_MBUS_STATUS", 4, "0-x:24.2.6.255", {2: ("double-long-unsigned", "R")}, SMR5),
    ("CLEAR_MBUS_STATUS", 1, "0-x:94.31.10.255", {2: ("double-long-unsigned", "RW")}, SMR5[1:]),
    ("PHASE_OUTAGE_TEST", 22, "0-0:15.1.4.255", {4: ("array", "RW")}, SMR5[1:]),
    ("LAST_GASP_TEST", 22, "0-0:15.2.4.255", {4: ("array", "RW")}, ("SMR-5.5",)),
    ("GPRS_DIAGNOSTIC", 47, "0-0:25.6.0.255", {6: ("cell_info_type", "R")}, SMR5),
    ("CDMA_DIAGNOSTIC", 47, "0-1:25.6.0.255", {6: ("cell_info_type", "R")}, ("SMR-4.3", *SMR5)),
    ("LTE_DIAGNOSTIC", 47, "0-2:25.6.0.255", {6: ("cell_info_type", "R")}, FROM_52),
    ("SECURITY_SETUP", 64, "0-0:43.0.0.255", {2: ("enum", "R"), 3: ("enum", "R")}, ALL),
    ("INVOCATION_COUNTER", 1, "0-0:43.1.0.255", {2: ("double-long-unsigned", "R")}, ALL),
    ("TARIFFICATION_SCRIPT_TABLE", 9, "0-0:10.0.100.255", {2: ("array", "R")}, ALL),
    ("DISCONNECT_CONTROL", 70, "0-0:96.3.10.255", {2: ("boolean", "R"), 3: ("enum", "R")}, ALL),
    ("LOGICAL_DEVICE_NAME", 1, "0-0:42.0.0.255", {2: ("octet-string", "R")}, ALL),
    ("SAP_ASSIGNMENT", 17, "0-0:41.0.0.255", {2: ("array", "R")}, ALL),
    ("ASSOCIATION_LN", 15, "0-0:40.0.0.255", {2: ("object_list_type", "R")}, ALL),
]


@pytest.mark.parametrize(
    ("tag", "class_id", "code", "attributes", "keys"), ROWS, ids=lambda value: str(value)[:50]
)
def test_objects_of_the_operations(
    tag: str, class_id: int, code: str, attributes: dict[int, tuple[str, str]], keys: tuple[str, ...]
) -> None:
    for key in keys:
        cosem_object = BY_KEY[key][tag]
        assert (cosem_object.class_id, cosem_object.obis) == (class_id, code)
        listed = {
            attribute_id: (
                cosem_object.attributes[attribute_id].data_type,
                cosem_object.attributes[attribute_id].access,
            )
            for attribute_id in attributes
        }
        assert listed == attributes


@pytest.mark.parametrize("tag", sorted({row[0] for row in ROWS}))
def test_no_other_shipped_profile_has_them(tag: str) -> None:
    expected = {key for row in ROWS if row[0] == tag for key in row[4]}
    assert {profile.key for profile in SHIPPED if tag in profile} == expected


@pytest.mark.parametrize(("keys", "version"), [(DSMR2, 0), (DSMR4, 1), (SMR5, 3)])
def test_version_of_the_association(keys: tuple[str, ...], version: int) -> None:
    for key in keys:
        assert BY_KEY[key]["ASSOCIATION_LN"].class_version == version


@pytest.mark.parametrize(
    ("keys", "version", "has_key_status"), [(DSMR2, 0, False), (DSMR4, 0, True), (SMR5, 1, True)]
)
def test_mbus_client_setup(keys: tuple[str, ...], version: int, has_key_status: bool) -> None:
    types = {
        2: "octet-string",
        3: "array",
        4: "double-long-unsigned",
        5: "unsigned",
        6: "double-long-unsigned",
        7: "long-unsigned",
        8: "unsigned",
        9: "unsigned",
        10: "unsigned",
        11: "unsigned",
        12: "unsigned",
    }
    if has_key_status:
        types |= {13: "long-unsigned", 14: "enum"}
    for key in keys:
        setup = BY_KEY[key]["MBUS_CLIENT_SETUP"]
        assert setup.class_id == 72
        assert setup.class_version == version
        assert {
            attribute.attribute_id: attribute.data_type for attribute in setup.attributes.values()
        } == types
        assert {id_ for id_, attribute in setup.attributes.items() if attribute.writable} == {
            4,
            5,
            6,
            7,
            8,
            9,
        }
        assert setup.attributes[2].value == "0-0:24.6.0.255"


@each_shipped_profile
@pytest.mark.parametrize(
    ("tag", "methods"),
    [
        ("ACTIVITY_CALENDAR", {1: "activate_passive_calendar"}),
        ("TARIFFICATION_SCRIPT_TABLE", {1: "execute"}),
        ("DISCONNECT_CONTROL", {1: "remote_disconnect", 2: "remote_reconnect"}),
        (
            "IMAGE_TRANSFER",
            {1: "image_transfer_initiate", 2: "image_block_transfer", 3: "image_verify", 4: "image_activate"},
        ),
        (
            "MBUS_CLIENT_SETUP",
            {
                1: "slave_install",
                2: "slave_deinstall",
                3: "capture",
                4: "reset_alarm",
                5: "synchronize_clock",
                6: "data_send",
                7: "set_encryption_key",
                8: "transfer_key",
            },
        ),
    ],
)
def test_methods(profile: Profile, tag: str, methods: dict[int, str]) -> None:
    if tag in profile:
        assert dict(profile[tag].methods) == methods
    else:
        assert (tag, profile.key) == ("IMAGE_TRANSFER", "DSMR-2.2")


def test_key_transfer_is_method_2_of_every_security_setup() -> None:
    assert {key: BY_KEY[key]["SECURITY_SETUP"].methods[2] for key in ALL} == {
        **dict.fromkeys(DSMR2 + DSMR4, "global_key_transfer"),
        **dict.fromkeys(SMR5, "key_transfer"),
    }


@each_shipped_profile
def test_energy_registers(profile: Profile) -> None:
    codes = {
        "ACTIVE_ENERGY_IMPORT": "1-0:1.8.0.255",
        "ACTIVE_ENERGY_IMPORT_RATE_1": "1-0:1.8.1.255",
        "ACTIVE_ENERGY_IMPORT_RATE_2": "1-0:1.8.2.255",
        "ACTIVE_ENERGY_EXPORT": "1-0:2.8.0.255",
        "ACTIVE_ENERGY_EXPORT_RATE_1": "1-0:2.8.1.255",
        "ACTIVE_ENERGY_EXPORT_RATE_2": "1-0:2.8.2.255",
    }
    for tag, code in codes.items():
        register = profile[tag]
        assert (register.class_id, register.obis) == (3, code)
        assert register.attributes[2].data_type == "double-long-unsigned"
        assert str(register.attributes[3].scaler_unit) == "0, WH"


@each_shipped_profile
def test_actual_gas_value(profile: Profile) -> None:
    tag = "MBUS_MASTER_VALUE_5MIN" if "MBUS_MASTER_VALUE_5MIN" in profile else "MBUS_MASTER_VALUE"
    register = profile[tag]
    assert (tag == "MBUS_MASTER_VALUE_5MIN") == (profile.key in SMR5)
    assert (register.class_id, register.obis) == (4, "0-x:24.2.1.255")
    assert register.address_attribute(5, channel=4).logical_name == bytes((0, 4, 24, 2, 1, 255))
    assert register.attributes[3].value_type == "BASED_ON_MODEL"
    assert register.attributes[3].scaler_unit is None
