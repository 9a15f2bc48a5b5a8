"""Reading the objects that a meter's association lists."""

from functools import partial

from osgp.cosem.object_list import ObjectList, parse_object_list
from osgp.messages.visited_meter import VisitedMeter

ASSOCIATION = "ASSOCIATION_LN"


def read_listed(meter: VisitedMeter) -> ObjectList:
    """Read the objects that the meter shows to this client, entry by entry.

    Raises Fault, also if the answer is no list.
    """
    association = meter.find_object(ASSOCIATION)
    parse = partial(
        parse_object_list, association=association.get_logical_name(), version=association.class_version
    )
    return meter.association.get_elements(meter.find_attribute(ASSOCIATION, "object_list"), parse)
