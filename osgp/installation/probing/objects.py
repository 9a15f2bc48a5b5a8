"""The objects of a meter: whether it describes them, and whether they are those of its profile."""

from osgp import catalogue
from osgp.catalogue import obis
from osgp.cosem.profile_fit import find_better_profile
from osgp.faults import Fault
from osgp.installation.probing.probe import Probe, count
from osgp.messages.contradictions import list_contradictions
from osgp.messages.descriptions import read_described
from osgp.messages.listed_objects import ASSOCIATION, read_listed
from osgp.messages.scales import describe_registers, is_register
from osgp.system_notes import profile_mismatch

MOST_REGISTERS = 12
MOST_NAMED = 5
DATA_CLASS = 1
MOST_COUNTER_OBJECTS = 4


def find_descriptions(probe: Probe) -> None:
    """Read the scalers and units of some registers, and compare them with the profile."""
    meter = probe.meter
    tags = [
        item.tag
        for item in meter.profile.list_objects(meter.polyphase)
        if is_register(item) and not item.per_channel
    ][:MOST_REGISTERS]
    if not tags:
        return
    asked = describe_registers(meter, tags)
    told = read_described(meter, "probe scalers", (), asked).descriptions
    described = sum(not isinstance(told[attribute], Fault) for attribute in asked)
    seen = f"The meter describes {described} of {count(len(tags), 'register')}."
    if found := list_contradictions(meter):
        named = "; ".join(
            f"{each.attribute} of {each.tag} {each.told} instead of {each.stated}"
            for each in found[:MOST_NAMED]
        )
        more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        seen += f" Not as in {meter.profile.key}: {named}{more}. Values are read as the meter describes them."
    else:
        seen += " None contradicts its profile."
    probe.findings.add("scaler_units", seen, described > 0)


def find_profile(probe: Probe) -> None:
    """Read the object list, and see whether another profile fits it better."""
    meter = probe.meter
    if ASSOCIATION not in meter.profile:
        return
    found = read_listed(meter)
    observation = profile_mismatch.judge(meter.profile, found, polyphase=meter.polyphase)
    if observation is not None:
        meter.observations.append(observation)
    probe.counter_objects = [
        item.logical_name
        for item in found.objects
        if item.class_id == DATA_CLASS and is_counter(item.logical_name)
    ][:MOST_COUNTER_OBJECTS]
    better = find_better_profile(
        meter.profile, found.objects, catalogue.list_profiles(), polyphase=meter.polyphase
    )
    seen = f"The meter lists {count(len(found.objects), 'object')}."
    if better is None:
        probe.findings.add("profile", f"{seen} No profile fits them better.", meter.profile.key)
        return
    names = ", ".join(obis.to_text(name) for _, name in better.explained[:MOST_NAMED])
    seen += (
        f" {better.profile.key} has {len(better.explained)} of them that {meter.profile.key} does not, such "
        f"as {names}: send UpdateProtocol if it is one."
    )
    probe.findings.add("profile", seen, better.profile.key)


def is_counter(logical_name: bytes) -> bool:
    """Whether an object is an invocation counter: 0-b:43.1.e.255 (Blue Book 6.2, invocation counter)."""
    a, _, c, d, _, f = logical_name
    return (a, c, d, f) == (0, 43, 1, 255)
