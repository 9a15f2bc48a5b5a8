"""How many attributes a meter takes in one GET."""

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.installation.probing.probe import Probe
from osgp.messages.scales import is_register
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import errors, is_secret

SIZES = (2, 4, 8, 16, 32)
LOGICAL_NAME = 1
"""Attribute 1 of any object, which any client may read."""
HABIT = "with_list_max"
"""What visits learn of the same (osgp/visits/acquaintance.py)."""


def find_list_size(probe: Probe) -> None:
    """Ask for longer and longer lists, until one does not come. The longest that came is proposed."""
    meter = probe.meter
    if not meter.association.agreed.lists:
        seen = "The meter said with the association that it takes no lists (multiple-references)."
        probe.findings.add("with_list_max", seen, 1, proposed=1)
        return
    attributes = choose_attributes(meter, SIZES[-1])
    longest, end = 1, ""
    for size in SIZES:
        if size > len(attributes):
            end = f" Its profile has no {size} attributes to ask for."
            break
        try:
            asked = attributes[:size]
            probe.measure(lambda asked=asked: meter.association.get_list(asked))  # type: ignore[misc]
        except errors.RequestTooLong as error:
            end = f" One of {size} was not sent: {error.message}."
            break
        except errors.DlmsError as error:
            lost = "" if meter.association.is_open else ", and the connection was lost"
            end = f" One of {size} failed: {error.message}{lost}."
            break
        longest = size
    came = f"Lists of up to {longest} attributes came." if longest > 1 else "No list came."
    probe.findings.add("with_list_max", f"{came}{end}", longest, proposed=longest)
    known = meter.knowledge.find_habit(HABIT)
    if known is not None and known.isdecimal() and int(known) < longest:
        meter.knowledge.learn_habit(HABIT, None)


def choose_attributes(meter: VisitedMeter, most: int) -> list[AttributeDescriptor]:
    """Attributes that are read in lists anyway, registers first, then what all meters have."""
    items = [item for item in meter.profile.list_objects(meter.polyphase) if not item.per_channel]
    registers = [item for item in items if is_register(item)]
    found = [item.address_attribute(name) for item in registers for name in ("value", "scaler_unit")]
    found += [item.address_attribute(LOGICAL_NAME) for item in items]
    return [attribute for attribute in dict.fromkeys(found) if not is_secret(attribute)][:most]
