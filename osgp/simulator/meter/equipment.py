"""What meters of one profile are equipped with, as far as the tags of the profile tell.

What a meter keeps, and what happens to it, asks here whether there are the objects for it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.model import CosemObject, Profile

from .event_codes import ALARM_REGISTERS, CHANNELS, TESTS

MBUS_CLIENT_SETUP = "MBUS_CLIENT_SETUP"
DIAGNOSED_CHANNELS = (1, 2)
"""The M-Bus channels whose diagnostics a definable load profile captures."""

_CAPTURED = {
    47: ((6, 3), (6, 4)),  # signal quality and bit error rate of the cell
    72: ((11, 0),),  # status of the M-Bus device
    77: ((2, 0), (8, 0)),  # signal strength and broken frames
}
"""What is captured of the diagnostic objects, by class: attribute id and data index."""


class Column(NamedTuple):
    """One captured attribute, or one element of it when ``data_index`` is not 0."""

    tag: str
    descriptor: AttributeDescriptor
    data_index: int
    channel: int | None


def channels_of(cosem_object: CosemObject) -> tuple[int | None, ...]:
    """The M-Bus channels on which there is such an object; None for an object of the meter itself."""
    return CHANNELS if cosem_object.per_channel else (None,)


class Equipment:
    """The objects of one profile that single-phase or polyphase meters have: their ``tags``, the numbers of
    the ``alarm_registers``, the tags of the schedules of ``tests``, and the ``channels`` for M-Bus devices.
    """

    def __init__(self, profile: Profile, polyphase: bool) -> None:
        self.profile = profile
        self.polyphase = polyphase
        self.tags = frozenset(cosem_object.tag for cosem_object in profile.list_objects(polyphase))
        self.alarm_registers = frozenset(
            number for tag, number in ALARM_REGISTERS.items() if tag in self.tags
        )
        self.tests = self.tags.intersection(TESTS)
        has_mbus = MBUS_CLIENT_SETUP in self.tags and profile[MBUS_CLIENT_SETUP].per_channel
        self.channels = CHANNELS if has_mbus else ()
        self._columns: dict[tuple[str, int | None], tuple[Column, ...]] = {}

    def default_columns(self, tag: str, channel: int | None) -> tuple[Column, ...]:
        """The columns of a buffer that the client has not chosen: those of the profile, or all that may be
        chosen."""
        columns = self._columns.get((tag, channel))
        if columns is None:
            captured = (Column(*column) for column in self.profile.list_capture_columns(tag, channel))
            columns = self._columns[tag, channel] = tuple(
                column
                for column in (tuple(captured) or self._selectable_columns(tag))
                if column.tag in self.tags
                and column.descriptor.attribute_id in self.profile[column.tag].attributes
            )
        return columns

    def _selectable_columns(self, tag: str) -> Iterator[Column]:
        """The objects that the power quality profiles of such meters are read for, with the attributes and
        channels that meters capture of them."""
        request = "PERIODIC_PP" if self.polyphase else "PERIODIC_SP"
        for selectable in self.profile[tag].selectable_objects:
            cosem_object = self.profile[selectable]
            if selectable != "CLOCK" and request not in cosem_object.power_quality_requests:
                continue
            for channel in DIAGNOSED_CHANNELS if cosem_object.per_channel else (None,):
                for attribute_id, data_index in _CAPTURED.get(cosem_object.class_id, ((2, 0),)):
                    descriptor = cosem_object.address_attribute(attribute_id, channel)
                    yield Column(selectable, descriptor, data_index, channel)
