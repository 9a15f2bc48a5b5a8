"""What holds of every profile, and the objects that the operations rely on, one by one."""

import threading
from functools import cache

import pytest

from osgp import catalogue
from osgp.catalogue import Profile, assembly, obis
from osgp.catalogue.definitions import read_tag_order

DSMR2 = ("DSMR-2.2",)
DSMR4 = ("DSMR-4.2.2", "SMR-4.3")
SMR5 = ("SMR-5.0.0", "SMR-5.1", "SMR-5.2", "SMR-5.5")
ALL = DSMR2 + DSMR4 + SMR5
FROM_4 = DSMR4 + SMR5
FROM_52 = ("SMR-5.2", "SMR-5.5")
NOT_DSMR2 = FROM_4

BY_KEY = {profile.key: profile for profile in catalogue.profiles()}

each_profile = pytest.mark.parametrize("profile", catalogue.profiles(), ids=lambda profile: profile.key)


def test_seven_profiles_oldest_first() -> None:
    assert tuple(BY_KEY) == ALL


@pytest.mark.parametrize(
    ("key", "parent", "own", "effective"),
    [
        ("DSMR-2.2", None, 57, 57),
        ("DSMR-4.2.2", None, 94, 94),
        ("SMR-4.3", "DSMR-4.2.2", 2, 95),
        ("SMR-5.0.0", None, 116, 116),
        ("SMR-5.1", "SMR-5.0.0", 4, 120),
        ("SMR-5.2", "SMR-5.1", 40, 159),
        ("SMR-5.5", "SMR-5.2", 4, 163),
    ],
)
def test_inheritance_and_size(key: str, parent: str | None, own: int, effective: int) -> None:
    profile = BY_KEY[key]
    assert (profile.parent.key if profile.parent else None) == parent
    assert len(profile.own_tags) == own
    assert len(profile) == effective
    if profile.parent:
        assert profile.own_tags | {inherited.tag for inherited in profile.parent} == {
            each.tag for each in profile
        }


def test_child_replaces_the_object_of_its_parent_as_a_whole() -> None:
    parent, child = BY_KEY["SMR-5.1"], BY_KEY["SMR-5.2"]
    assert child["CLOCK"] is parent["CLOCK"]
    assert "LTE_DIAGNOSTIC" not in parent["DEFINABLE_LOAD_PROFILE"].selectable_objects
    assert "LTE_DIAGNOSTIC" in child["DEFINABLE_LOAD_PROFILE"].selectable_objects


def test_finds_a_profile_by_name_in_any_case_and_exact_version() -> None:
    assert catalogue.profile("SMR", "5.1") is BY_KEY["SMR-5.1"]
    assert catalogue.profile("smr", "5.1") is BY_KEY["SMR-5.1"]


@pytest.mark.parametrize(
    ("name", "version"), [("SMR", "5"), ("SMR", "4.2.2"), ("DSMR", "4.3"), ("?", "?"), ("", "")]
)
def test_unknown_profile(name: str, version: str) -> None:
    with pytest.raises(catalogue.UnknownProfile, match="no profile for protocol") as caught:
        catalogue.profile(name, version)
    assert (caught.value.protocol_name, caught.value.protocol_version) == (name, version)


def test_object_not_in_profile_names_both() -> None:
    with pytest.raises(
        catalogue.ObjectNotInProfile, match=r"DSMR-2\.2 has no object IMAGE_TRANSFER"
    ) as caught:
        BY_KEY["DSMR-2.2"]["IMAGE_TRANSFER"]
    assert (caught.value.tag, caught.value.profile_key) == ("IMAGE_TRANSFER", "DSMR-2.2")


@each_profile
def test_objects_come_in_the_global_order(profile: Profile) -> None:
    order = read_tag_order(catalogue.DATA / assembly.TAG_ORDER)
    ranks = [order.index(cosem_object.tag) for cosem_object in profile]
    assert ranks == sorted(ranks)


def test_every_known_tag_is_used() -> None:
    order = read_tag_order(catalogue.DATA / assembly.TAG_ORDER)
    assert set(order) == {cosem_object.tag for profile in catalogue.profiles() for cosem_object in profile}


@each_profile
def test_every_logical_name_leads_back_to_its_object(profile: Profile) -> None:
    for cosem_object in profile:
        for channel in obis.MBUS_CHANNELS if cosem_object.per_channel else (None,):
            assert profile.by_logical_name(cosem_object.logical_name(channel)) == (cosem_object, channel)
    assert profile.by_logical_name(bytes(6)) is None


@each_profile
def test_registers_know_their_scaler_and_unit(profile: Profile) -> None:
    for cosem_object in profile:
        if cosem_object.class_id not in (3, 4, 5):
            continue
        attribute = cosem_object.attributes[3]
        if attribute.value_type == "FIXED_IN_PROFILE":
            assert attribute.scaler_unit is not None
        else:
            assert attribute.scaler_unit is None
        assert (attribute.stated_scaler_unit is None) == (attribute.value_type == "BASED_ON_MODEL")


@each_profile
def test_clients_can_set_only_what_is_writable(profile: Profile) -> None:
    for cosem_object in profile:
        for attribute in cosem_object.attributes.values():
            assert attribute.readable
            assert attribute.writable or attribute.value_type != "SET_BY_CLIENT"


@each_profile
def test_single_phase_meters_have_no_second_and_third_phase_current(profile: Profile) -> None:
    single = {cosem_object.tag for cosem_object in profile.objects(polyphase=False)}
    poly = {cosem_object.tag for cosem_object in profile.objects(polyphase=True)}
    assert single < poly == {cosem_object.tag for cosem_object in profile}
    assert "INSTANTANEOUS_CURRENT_L1" in single
    assert not single & {"INSTANTANEOUS_CURRENT_L2", "INSTANTANEOUS_VOLTAGE_L3", "PHASE_OUTAGE_TEST"}


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
    ("THD_VALUE_THRESHOLD", 3, "1-0:11.35.124.255", {2: ("long-unsigned", "RW")}, FROM_52),
    ("THD_VALUE_HYSTERESIS", 3, "0-1:94.31.21.255", {2: ("long-unsigned", "RW")}, FROM_52),
    ("THD_MIN_DURATION_NORMAL_TO_OVER", 3, "0-1:94.31.22.255", {2: ("double-long-unsigned", "RW")}, FROM_52),
    ("THD_MIN_DURATION_OVER_TO_NORMAL", 3, "0-1:94.31.23.255", {2: ("double-long-unsigned", "RW")}, FROM_52),
    ("THD_TIME_THRESHOLD", 3, "1-0:11.44.124.255", {2: ("double-long-unsigned", "RW")}, FROM_52),
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
def test_no_other_profile_has_them(tag: str) -> None:
    expected = {key for row in ROWS if row[0] == tag for key in row[4]}
    assert {key for key, profile in BY_KEY.items() if tag in profile} == expected


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


@each_profile
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


@each_profile
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


@each_profile
def test_actual_gas_value(profile: Profile) -> None:
    tag = "MBUS_MASTER_VALUE_5MIN" if "MBUS_MASTER_VALUE_5MIN" in profile else "MBUS_MASTER_VALUE"
    register = profile[tag]
    assert (tag == "MBUS_MASTER_VALUE_5MIN") == (profile.key in SMR5)
    assert (register.class_id, register.obis) == (4, "0-x:24.2.1.255")
    assert register.attribute(5, channel=4).logical_name == bytes((0, 4, 24, 2, 1, 255))
    assert register.attributes[3].value_type == "BASED_ON_MODEL"
    assert register.attributes[3].scaler_unit is None


def test_values_are_text() -> None:
    clock = BY_KEY["SMR-5.1"]["CLOCK"].attributes
    assert {id_: attribute.value for id_, attribute in clock.items()} == {
        2: "CURRENT_LOCAL_DATE_AND_TIME",
        3: "-60",
        4: "OK",
        5: None,
        6: None,
        7: "60",
        8: "1",
        9: "1",
    }
    assert BY_KEY["SMR-5.1"]["IMAGE_TRANSFER"].attributes[5].value == "0"
    assert BY_KEY["SMR-5.1"]["MBUS_CLIENT_SETUP"].attributes[13].value == "99"
    assert BY_KEY["SMR-5.1"]["ASSOCIATION_LN"].attributes[9].value == "0-0:43.0.0.255"


def test_addresses_attributes_and_methods_that_are_not_listed() -> None:
    setup = BY_KEY["DSMR-2.2"]["MBUS_CLIENT_SETUP"]
    assert 14 not in setup.attributes
    assert setup.attribute(14, channel=2) == (72, bytes((0, 2, 24, 1, 0, 255)), 14)
    assert setup.method(9, channel=2) == (72, bytes((0, 2, 24, 1, 0, 255)), 9)


@pytest.mark.parametrize("number", [0, 128, -1])
def test_refuses_ids_that_no_object_can_have(number: int) -> None:
    clock = BY_KEY["SMR-5.1"]["CLOCK"]
    with pytest.raises(ValueError, match="CLOCK: attribute id"):
        clock.attribute(number)
    with pytest.raises(ValueError, match="CLOCK: method id"):
        clock.method(number)


def test_channel_belongs_to_objects_per_channel_only() -> None:
    profile = BY_KEY["SMR-5.1"]
    with pytest.raises(ValueError, match=r"MBUS_CLIENT_SETUP: .* needs an M-Bus channel"):
        profile["MBUS_CLIENT_SETUP"].attribute(6)
    with pytest.raises(ValueError, match=r"CLOCK: .* has no M-Bus channel"):
        profile["CLOCK"].attribute(2, channel=1)


def test_mapping_is_read_only() -> None:
    clock = BY_KEY["SMR-5.1"]["CLOCK"]
    with pytest.raises(TypeError):
        clock.attributes[2] = clock.attributes[3]  # type: ignore[index]
    with pytest.raises(AttributeError):
        clock.class_id = 9  # type: ignore[misc]


def test_threads_that_ask_first_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody_asked = threading.Event()
    loads = []

    @cache
    def slow_load() -> tuple[Profile, ...]:
        loads.append(1)
        everybody_asked.wait(10)
        return assembly.load(catalogue.DATA)

    monkeypatch.setattr(catalogue, "_load", slow_load)
    results: list[tuple[Profile, ...]] = []
    threads = [threading.Thread(target=lambda: results.append(catalogue.profiles())) for _ in range(8)]
    for thread in threads:
        thread.start()
    everybody_asked.set()
    for thread in threads:
        thread.join()
    assert loads == [1]
    assert len(results) == 8
    assert all(result is results[0] for result in results)
