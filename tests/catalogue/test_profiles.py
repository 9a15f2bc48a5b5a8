"""What holds of every profile: inheritance, lookups, order, addressing."""

import threading
from functools import cache

import pytest

from osgp import catalogue
from osgp.catalogue import Profile, assembly, obis
from osgp.catalogue.definitions import insert_new_tags, read_tag_order
from osgp.catalogue.reading import DataFile
from tests.catalogue.generations import ALL, BY_KEY, SHIPPED

each_profile = pytest.mark.parametrize("profile", catalogue.list_profiles(), ids=lambda profile: profile.key)
each_shipped_profile = pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)


def test_profiles_oldest_first() -> None:
    """The eight that are shipped, and the one of the tests."""
    assert tuple(profile.key for profile in catalogue.list_profiles()) == (*ALL, "TST-1.0")


@pytest.mark.parametrize(
    ("key", "parent", "own", "effective"),
    [
        ("DSMR-2.2", None, 59, 59),
        ("DSMR-4.2.2", None, 96, 96),
        ("SMR-4.3", "DSMR-4.2.2", 2, 97),
        ("SMR-5.0.0", None, 118, 118),
        ("SMR-5.1", "SMR-5.0.0", 4, 122),
        ("SMR-5.2", "SMR-5.1", 20, 141),
        ("SMR-5.2c", "SMR-5.2", 20, 161),
        ("SMR-5.5", "SMR-5.2c", 4, 165),
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
    assert catalogue.find_profile("SMR", "5.1") is BY_KEY["SMR-5.1"]
    assert catalogue.find_profile("smr", "5.1") is BY_KEY["SMR-5.1"]


@pytest.mark.parametrize(
    ("name", "version"), [("SMR", "5"), ("SMR", "4.2.2"), ("DSMR", "4.3"), ("?", "?"), ("", "")]
)
def test_unknown_profile(name: str, version: str) -> None:
    with pytest.raises(catalogue.UnknownProfile, match="no profile for protocol") as caught:
        catalogue.find_profile(name, version)
    assert (caught.value.protocol_name, caught.value.protocol_version) == (name, version)


def test_object_not_in_profile_names_both() -> None:
    with pytest.raises(
        catalogue.ObjectNotInProfile, match=r"DSMR-2\.2 has no object IMAGE_TRANSFER"
    ) as caught:
        BY_KEY["DSMR-2.2"]["IMAGE_TRANSFER"]
    assert (caught.value.tag, caught.value.profile_key) == ("IMAGE_TRANSFER", "DSMR-2.2")


def tag_order() -> tuple[str, ...]:
    """All tags in the order of results: those of the file of that name, and what profiles add."""
    order = read_tag_order(DataFile.read(catalogue.DATA / assembly.TAG_ORDER, assembly.TAG_ORDER))
    for path in (path for folder in catalogue.list_folders() for path in sorted(folder.glob("*.toml"))):
        if path.name not in assembly.NOT_PROFILES:
            order = insert_new_tags(order, DataFile.read(path, path.name))
    return order


@each_profile
def test_objects_come_in_the_global_order(profile: Profile) -> None:
    order = tag_order()
    ranks = [order.index(cosem_object.tag) for cosem_object in profile]
    assert ranks == sorted(ranks)


def test_every_known_tag_is_used() -> None:
    order = tag_order()
    assert set(order) == {
        cosem_object.tag for profile in catalogue.list_profiles() for cosem_object in profile
    }


@each_profile
def test_every_logical_name_leads_back_to_its_object(profile: Profile) -> None:
    for cosem_object in profile:
        for channel in obis.MBUS_CHANNELS if cosem_object.per_channel else (None,):
            assert profile.find_by_logical_name(cosem_object.get_logical_name(channel)) == (
                cosem_object,
                channel,
            )
    assert profile.find_by_logical_name(bytes(6)) is None


@each_profile
def test_registers_know_their_scaler_and_unit(profile: Profile) -> None:
    for cosem_object in profile:
        if cosem_object.class_id not in (3, 4, 5):
            continue
        attribute = cosem_object["scaler_unit"]
        if attribute.value_type == "FIXED_IN_PROFILE":
            assert attribute.scaler_unit is not None
        else:
            assert attribute.scaler_unit is None
        assert (attribute.stated_scaler_unit is None) == (attribute.value_type == "BASED_ON_MODEL")


@each_profile
def test_clients_can_set_only_what_is_writable(profile: Profile) -> None:
    for cosem_object in profile:
        for attribute in cosem_object.attributes.values():
            assert attribute.readable or attribute.writable
            assert attribute.writable or attribute.value_type != "SET_BY_CLIENT"


@each_shipped_profile
def test_everything_is_readable_in_dutch_meters(profile: Profile) -> None:
    for cosem_object in profile:
        assert all(attribute.readable for attribute in cosem_object.attributes.values())


@each_profile
def test_the_objects_of_single_phase_and_polyphase_meters_make_up_the_profile(profile: Profile) -> None:
    of_either = {item.tag for polyphase in (False, True) for item in profile.list_objects(polyphase)}
    assert of_either == {item.tag for item in profile}


@each_shipped_profile
def test_dutch_single_phase_meters_have_no_second_and_third_phase_current(profile: Profile) -> None:
    single = {cosem_object.tag for cosem_object in profile.list_objects(polyphase=False)}
    poly = {cosem_object.tag for cosem_object in profile.list_objects(polyphase=True)}
    assert single < poly == {cosem_object.tag for cosem_object in profile}
    assert "INSTANTANEOUS_CURRENT_L1" in single
    assert not single & {"INSTANTANEOUS_CURRENT_L2", "INSTANTANEOUS_VOLTAGE_L3", "PHASE_OUTAGE_TEST"}


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


def test_addresses_attributes_and_methods_by_name() -> None:
    profile = BY_KEY["SMR-5.1"]
    assert profile["CLOCK"].address_attribute("time") == profile["CLOCK"].address_attribute(2)
    client = profile["MBUS_CLIENT_SETUP"]
    assert client.address_attribute("device_type", 3) == (72, bytes((0, 3, 24, 1, 0, 255)), 9)
    assert client.address_method("reset_alarm", 3) == (72, bytes((0, 3, 24, 1, 0, 255)), 4)
    for key in ALL:
        assert BY_KEY[key]["SECURITY_SETUP"].address_method("key_transfer") == (
            64,
            bytes((0, 0, 43, 0, 0, 255)),
            2,
        )
    with pytest.raises(catalogue.NotInInterfaceClass):
        profile["CLOCK"].address_attribute("value")
    with pytest.raises(catalogue.NotInInterfaceClass):
        profile["CLOCK"].address_method("time")


def test_what_a_profile_says_about_an_attribute_is_found_by_name() -> None:
    item = BY_KEY["SMR-5.1"]["INTERVAL_VALUES_E"]
    assert item["capture_period"] is item.attributes[4]
    assert item["capture_period"].value == "900"
    assert "capture_period" in item
    assert "scaler_unit" not in item
    with pytest.raises(catalogue.AttributeNotInProfile, match="says nothing about logical_name of INTERVAL"):
        item["logical_name"]


def test_attributes_that_a_companion_standard_adds() -> None:
    added = BY_KEY["DSMR-4.2.2"]["MBUS_CLIENT_SETUP"]
    assert added.class_version == 0
    assert added.address_attribute("encryption_key_status", 1).attribute_id == 14
    assert added["configuration"].attribute_id == 13
    assert "configuration" not in BY_KEY["DSMR-2.2"]["MBUS_CLIENT_SETUP"]
    with pytest.raises(catalogue.NotInInterfaceClass):
        BY_KEY["DSMR-2.2"]["MBUS_CLIENT_SETUP"].address_attribute("configuration", 1)


def test_addresses_attributes_and_methods_that_are_not_listed() -> None:
    setup = BY_KEY["DSMR-2.2"]["MBUS_CLIENT_SETUP"]
    assert 14 not in setup.attributes
    assert setup.address_attribute(14, channel=2) == (72, bytes((0, 2, 24, 1, 0, 255)), 14)
    assert setup.address_method(9, channel=2) == (72, bytes((0, 2, 24, 1, 0, 255)), 9)


@pytest.mark.parametrize("number", [0, 128, -1])
def test_refuses_ids_that_no_object_can_have(number: int) -> None:
    clock = BY_KEY["SMR-5.1"]["CLOCK"]
    with pytest.raises(ValueError, match="CLOCK: attribute id"):
        clock.address_attribute(number)
    with pytest.raises(ValueError, match="CLOCK: method id"):
        clock.address_method(number)


def test_channel_belongs_to_objects_per_channel_only() -> None:
    profile = BY_KEY["SMR-5.1"]
    with pytest.raises(ValueError, match=r"MBUS_CLIENT_SETUP: .* needs an M-Bus channel"):
        profile["MBUS_CLIENT_SETUP"].address_attribute(6)
    with pytest.raises(ValueError, match=r"CLOCK: .* has no M-Bus channel"):
        profile["CLOCK"].address_attribute(2, channel=1)


def test_mapping_is_read_only() -> None:
    clock = BY_KEY["SMR-5.1"]["CLOCK"]
    with pytest.raises(TypeError):
        clock.attributes[2] = clock.attributes[3]  # type: ignore[index]
    with pytest.raises(AttributeError):
        clock.interface_class = clock.interface_class  # type: ignore[misc]


def test_threads_that_ask_first_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody_asked = threading.Event()
    loads = []

    @cache
    def slow_load() -> tuple[Profile, ...]:
        loads.append(1)
        everybody_asked.wait(120)
        return assembly.load([catalogue.DATA], catalogue.get_interface_classes())

    monkeypatch.setattr(catalogue, "_load", slow_load)
    results: list[tuple[Profile, ...]] = []
    threads = [threading.Thread(target=lambda: results.append(catalogue.list_profiles())) for _ in range(8)]
    for thread in threads:
        thread.start()
    everybody_asked.set()
    for thread in threads:
        thread.join()
    assert loads == [1]
    assert len(results) == 8
    assert all(result is results[0] for result in results)
