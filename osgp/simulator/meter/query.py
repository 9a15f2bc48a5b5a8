"""What a value provider is asked, and what is asked: a meter as a logical device with COSEM objects.

The objects know their providers, which take queries to a meter, which has the objects: so all of them are
here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.model import Profile

from ..codec.axdr import Data, DataType
from ..codec.requests import Selection
from ..codec.results import ActionResult, DataAccessResult
from .equipment import Equipment
from .quirky_values import give
from .shapes import Shape
from .state import MeterState
from .tariffs import catch_up

READ, WRITE = 1, 2
"""Access rights to an attribute."""


class AccessError(Exception):
    """A request for an attribute that is refused with ``result``."""

    def __init__(self, result: DataAccessResult) -> None:
        super().__init__(result.name)
        self.result = result


class AssociationView(Protocol):
    """What the association object tells about the association through which it is read."""

    client_address: int
    server_address: int
    context: int
    mechanism: int
    conformance: int
    maximum_pdu_size: int
    client_system_title: bytes

    @property
    def is_public(self) -> bool:
        """Whether it is the public client's."""
        ...


class AttributeEntry:
    """One attribute: access rights, what it takes, and either its encoded value or what makes it.

    ``elements`` makes the parts of the value, if buffers can have them singly. ``allowed`` are the numbers
    that can be written; ``check`` refuses other data; ``write`` does what follows from writing. A
    ``selective`` attribute can be read in part.
    """

    __slots__ = (
        "access",
        "allowed",
        "attribute_id",
        "check",
        "data_type",
        "elements",
        "encoded",
        "name",
        "provider",
        "selective",
        "shape",
        "write",
    )

    def __init__(
        self,
        attribute_id: int,
        name: str,
        access: int,
        data_type: DataType,
        shape: Shape,
        encoded: bytes | None = None,
        provider: "Provider | None" = None,
        elements: "Elements | None" = None,
        allowed: range | None = None,
        check: "Check | None" = None,
        write: "Write | None" = None,
        selective: bool = False,
    ) -> None:
        self.attribute_id = attribute_id
        self.name = name
        self.access = access
        self.data_type = data_type
        self.shape = shape
        self.encoded = encoded
        self.provider = provider
        self.elements = elements
        self.allowed = allowed
        self.check = check
        self.write = write
        self.selective = selective


class ObjectEntry:
    """One object at one logical name; objects of M-Bus channels have one entry per channel.

    ``descriptors`` are those of its attributes by name. ``methods`` are those that the profile lists,
    ``handlers`` what carries methods out.
    """

    __slots__ = (
        "attributes",
        "channel",
        "class_id",
        "class_version",
        "descriptors",
        "handlers",
        "logical_name",
        "methods",
        "public",
        "tag",
    )

    def __init__(
        self,
        *,
        tag: str,
        class_id: int,
        class_version: int,
        logical_name: bytes,
        channel: int | None,
        public: bool,
        attributes: Mapping[int, AttributeEntry],
        methods: Mapping[int, str],
        handlers: "Mapping[int, Handler]",
    ) -> None:
        self.tag = tag
        self.class_id = class_id
        self.class_version = class_version
        self.logical_name = logical_name
        self.channel = channel
        self.public = public
        self.attributes = attributes
        self.methods = methods
        self.handlers = handlers
        self.descriptors = {
            attribute.name: AttributeDescriptor(class_id, logical_name, attribute.attribute_id)
            for attribute in attributes.values()
        }


class MeterType(Equipment):
    """What all meters of one profile have in common: the table of their objects by logical name."""

    def __init__(
        self,
        profile: Profile,
        polyphase: bool,
        make_objects: Callable[[Equipment], Mapping[bytes, ObjectEntry]],
    ) -> None:
        super().__init__(profile, polyphase)
        self.objects = make_objects(self)
        self._tagged = {entry.tag: entry for entry in self.objects.values()}

    def find_tagged(self, tag: str) -> ObjectEntry | None:
        """The object of a tag; one of them, if there are several for M-Bus channels."""
        return self._tagged.get(tag)


class LogicalDevice(MeterState[MeterType]):
    """A meter whose objects can be read."""

    __slots__ = ()

    def find(self, descriptor: AttributeDescriptor) -> tuple[ObjectEntry, AttributeEntry]:
        """The object and the attribute that are addressed; AccessError when there are none."""
        entry = self.type.objects.get(descriptor.logical_name)
        if entry is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED)
        if entry.class_id != descriptor.class_id:
            raise AccessError(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        attribute = entry.attributes.get(descriptor.attribute_id)
        if attribute is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED)
        return entry, attribute

    def get(
        self,
        descriptor: AttributeDescriptor,
        selection: Selection | None = None,
        association: AssociationView | None = None,
    ) -> bytes:
        """The encoded value of an attribute; AccessError when it is refused.

        Without an ``association`` access rights do not apply.
        """
        entry, attribute = self.find(descriptor)
        if association is not None and (
            not attribute.access & READ or (association.is_public and not entry.public)
        ):
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        if selection is not None and not attribute.selective:
            raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        memory = self._memory
        if memory is not None and memory.overrides is not None:
            # A time of activation can only come when one was written.
            catch_up(self, self.settings.clock())
            overridden = memory.overrides.get(descriptor)
            if overridden is not None:
                return overridden
        if attribute.provider is None:
            assert attribute.encoded is not None
            value = attribute.encoded
        else:
            value = attribute.provider(Query(self, self.settings.clock(), entry, association, selection))
        quirks = self.quirks
        return give(quirks, self, entry, attribute, value) if quirks else value


class Query:
    """One value that is wanted. ``moment`` is true time (UNIX), past for the rows of a buffer.

    Rows know how far the clock was ahead (``offset``), and what their AMR profile status says (``flags``).
    """

    __slots__ = ("association", "channel", "entry", "flags", "meter", "moment", "offset", "selection")

    def __init__(
        self,
        meter: LogicalDevice,
        moment: float,
        entry: ObjectEntry,
        association: AssociationView | None = None,
        selection: Selection | None = None,
        offset: float | None = None,
        flags: int | None = None,
    ) -> None:
        self.meter = meter
        self.moment = moment
        self.entry = entry
        self.channel = entry.channel
        self.association = association
        self.selection = selection
        self.offset = offset
        self.flags = flags

    def local_time(self, moment: float | None = None) -> datetime:
        """What the meter's clock showed at the moment, or at another one."""
        return self.meter.local_time(self.moment if moment is None else moment, self.offset)


Provider = Callable[[Query], bytes]
"""Makes encoded data."""

Elements = Callable[[Query], tuple[bytes, ...]]
"""Makes the encoded elements of a structure."""

Check = Callable[[LogicalDevice, Data], None]
"""Raises AccessError unless the meter can do something with new data."""

Write = Callable[[LogicalDevice, ObjectEntry, Data, float], bool]
"""Takes the meter, the object, the new value and true time; True when there is nothing left to keep."""


class Invocation(NamedTuple):
    """One method call: the meter, the object and the decoded parameter."""

    meter: LogicalDevice
    entry: ObjectEntry
    parameter: Data | None


Outcome = tuple[ActionResult, bytes | None]
Handler = Callable[[Invocation], Outcome]
"""Carries a method out."""
