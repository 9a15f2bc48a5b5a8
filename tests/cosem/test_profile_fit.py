"""Which profile the objects of a meter fit best."""

from collections.abc import Iterable

import pytest

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.cosem.object_list import ListedObject
from osgp.cosem.profile_fit import find_better_profile
from tests.catalogue.generations import BY_KEY
from tests.visited import METERS

MANUFACTURERS_OWN = ListedObject(1, 0, bytes((0, 0, 94, 49, 200, 255)), (), ())


def listed(profile: Profile, polyphase: bool = False, *, without: Iterable[str] = ()) -> list[ListedObject]:
    """What a meter of a profile lists."""
    return [
        ListedObject(item.class_id, item.class_version, item.get_logical_name(channel), (), ())
        for item in profile.list_objects(polyphase)
        if item.tag not in without
        for channel in ((1, 2, 3, 4) if item.per_channel else (None,))
    ]


def better(key: str, objects: Iterable[ListedObject], polyphase: bool = False) -> str | None:
    found = find_better_profile(BY_KEY[key], objects, catalogue.list_profiles(), polyphase=polyphase)
    return found.profile.key if found else None


@pytest.mark.parametrize(("key", "polyphase"), METERS)
def test_every_meter_fits_its_own_profile(key: str, polyphase: bool) -> None:
    objects = [*listed(BY_KEY[key], polyphase), MANUFACTURERS_OWN]
    assert better(key, objects, polyphase) is None


@pytest.mark.parametrize("polyphase", [False, True])
@pytest.mark.parametrize(
    ("registered", "real"),
    [
        ("SMR-5.2", "SMR-5.2c"),
        ("SMR-5.2", "SMR-5.5"),
        ("SMR-5.2c", "SMR-5.5"),
        ("SMR-5.1", "SMR-5.2"),
        ("SMR-5.1", "SMR-5.2c"),
        ("SMR-5.0.0", "SMR-5.5"),
    ],
)
def test_the_nearest_profile_is_found(registered: str, real: str, polyphase: bool) -> None:
    objects = [MANUFACTURERS_OWN, *listed(BY_KEY[real], polyphase)]
    found = find_better_profile(BY_KEY[registered], objects, catalogue.list_profiles(), polyphase=polyphase)
    assert found is not None
    assert found.profile.key == real
    assert found.unexplained == 1
    own = BY_KEY[registered]
    tags = [known[0].tag for _, name in found.explained if (known := BY_KEY[real].find_by_logical_name(name))]
    expected = [item.tag for item in BY_KEY[real].list_objects(polyphase) if item.tag not in own]
    assert sorted(set(tags)) == sorted(expected)


def test_a_meter_that_lacks_some_of_what_its_profile_has_is_still_recognised() -> None:
    objects = listed(BY_KEY["SMR-5.2c"], without=("IMAGE_TRANSFER", "THD_TIME_THRESHOLD"))
    assert better("SMR-5.2", objects) == "SMR-5.2c"


def test_a_meter_with_one_object_of_a_larger_profile_is_none_of_those() -> None:
    lte = [item for item in listed(BY_KEY["SMR-5.2"]) if item.logical_name == bytes((0, 2, 25, 6, 0, 255))]
    assert len(lte) == 1
    assert better("SMR-5.1", listed(BY_KEY["SMR-5.1"]) + lte) is None


def test_a_profile_that_lacks_what_the_own_one_has_is_not_better() -> None:
    """SMR 5 has other objects than SMR 4.3 as well as more of them; nobody is told to give up what works."""
    assert better("SMR-4.3", listed(BY_KEY["SMR-4.3"]) + listed(BY_KEY["SMR-5.5"])) is None


def test_profiles_of_other_protocols_do_not_count() -> None:
    assert better("DSMR-4.2.2", listed(BY_KEY["SMR-4.3"])) is None


def test_what_is_repeated_or_of_another_class_counts_once_or_not() -> None:
    own = listed(BY_KEY["SMR-5.2"])
    more = [item for item in listed(BY_KEY["SMR-5.2c"]) if item not in own]
    assert better("SMR-5.2", [*own, *more[:1] * 50]) is None
    assert better("SMR-5.2", [*own, *(item._replace(class_id=9999) for item in more)]) is None
    assert better("SMR-5.2", []) is None
