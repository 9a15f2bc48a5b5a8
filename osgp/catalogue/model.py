"""Meter profiles, their COSEM objects and attributes; all immutable."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from osgp.catalogue.classes import InterfaceClass
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.catalogue.meanings import CounterSource, Flags, MbusKeyWrapping, Meanings
from osgp.catalogue.obis import MBUS_CHANNELS, Template
from osgp.catalogue.units import ScalerUnit
from osgp.catalogue.values import find_integer_range

ValueType = Literal["DYNAMIC", "FIXED_IN_METER", "FIXED_IN_PROFILE", "SET_BY_CLIENT", "BASED_ON_MODEL"]
Access = Literal["R", "W", "RW"]
Phase = Literal["SP", "PP"]


class ObjectNotInProfile(LookupError):
    """A profile has no object with this tag: its meters do not support the request."""

    def __init__(self, tag: str, profile_key: str) -> None:
        super().__init__(f"{profile_key} has no object {tag}")
        self.tag = tag
        self.profile_key = profile_key


class AttributeNotInProfile(LookupError):
    """A profile does not list an attribute of one of its objects."""

    def __init__(self, tag: str, name: str) -> None:
        super().__init__(f"the profile says nothing about {name} of {tag}")
        self.tag = tag
        self.name = name


class CaptureObject(NamedTuple):
    """One entry of capture_objects as the profile writes it: by tag, the M-Bus channel still open.

    `data_index` 0 captures the whole attribute, n the n-th element of a structure or array.
    """

    tag: str
    attribute_id: int
    data_index: int


class CaptureColumn(NamedTuple):
    """One column of a buffer; `channel` is 1..4 for a column of an M-Bus device, else None."""

    tag: str
    descriptor: AttributeDescriptor
    data_index: int
    channel: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute of an object.

    `value` is the value in the profile as text: numbers in decimal, booleans as "0" or "1", a logical
    name as "0-0:24.6.0.255", a scaler and unit as "-1, V". It is binding only if `value_type` is
    FIXED_IN_PROFILE; otherwise it is the factory default. None if the profile has no value.
    """

    attribute_id: int
    name: str
    data_type: str
    value_type: ValueType
    access: Access
    value: str | None = None
    stated_scaler_unit: ScalerUnit | None = None
    """The scaler_unit in `value`; that of a meter may differ unless it is FIXED_IN_PROFILE."""
    capture_objects: tuple[CaptureObject, ...] = ()

    @property
    def scaler_unit(self) -> ScalerUnit | None:
        """The scaler_unit of all meters of the profile; None: read it from the meter."""
        return self.stated_scaler_unit if self.value_type == "FIXED_IN_PROFILE" else None

    @property
    def integer_range(self) -> range | None:
        """The numbers that its data type can hold; None if it is no integer type."""
        return find_integer_range(self.data_type)

    @property
    def readable(self) -> bool:
        return "R" in self.access

    @property
    def writable(self) -> bool:
        return "W" in self.access


@dataclass(frozen=True, slots=True, eq=False)
class CosemObject:
    """One object of a profile, known by its tag.

    `power_quality_profile` is PUBLIC, PRIVATE or None; `power_quality_requests` are the requests that
    include the object: ACTUAL_SP, ACTUAL_PP, PERIODIC_SP, PERIODIC_PP. `selectable_objects` are the tags
    that a definable buffer may capture. `source_objects` maps an event code to the tag of the register whose
    scaler and unit apply. `event_log` is the category of events that a buffer holds. `flags` names the bits
    of the value.
    """

    tag: str
    interface_class: InterfaceClass
    template: Template
    group: str
    phases: frozenset[Phase]
    attributes: Mapping[int, Attribute]
    methods: Mapping[int, str]
    power_quality_profile: str | None
    power_quality_requests: frozenset[str]
    selectable_objects: tuple[str, ...]
    source_objects: Mapping[int, str]
    event_log: str | None
    flags_name: str | None
    """The name of the table of flags in the profile file."""
    settable: frozenset[int]
    """Ids of the attributes that SetSpecificAttributeValue may write: writable integers."""
    message_type: int | None
    """Of a push setup: the enumeration of its messages, 0 for A-XDR encoded APDUs; else None."""
    source: str = field(repr=False)
    """The file that defines the object, for error texts."""
    _by_name: Mapping[str, Attribute] = field(repr=False)
    flags: Flags | None = field(default=None, repr=False)

    @property
    def class_id(self) -> int:
        return self.interface_class.class_id

    @property
    def class_version(self) -> int:
        return self.interface_class.version

    @property
    def obis(self) -> str:
        """The OBIS code, as "1-0:1.8.0.255"; "0-x:24.1.0.255" when there is one object per M-Bus channel."""
        return str(self.template)

    @property
    def per_channel(self) -> bool:
        return self.template.per_channel

    def __getitem__(self, name: str) -> Attribute:
        """Return an attribute by name ("scaler_unit"). Raises AttributeNotInProfile if it is not listed."""
        try:
            return self._by_name[name]
        except KeyError:
            raise AttributeNotInProfile(self.tag, name) from None

    def __contains__(self, name: object) -> bool:
        """Return whether the profile lists the attribute of this name."""
        return name in self._by_name

    def get_logical_name(self, channel: int | None = None) -> bytes:
        """Return the six octets; `channel` is 1..4 if `per_channel`, else None. Raises ValueError if not."""
        try:
            return self.template.get_logical_name(channel)
        except ValueError as error:
            raise ValueError(f"{self.tag}: {error}") from None

    def address_attribute(self, attribute: str | int, channel: int | None = None) -> AttributeDescriptor:
        """Return the descriptor of an attribute, by name in the interface class ("time") or id 1..127.

        The profile need not list the attribute. Raises NotInInterfaceClass for an unknown name, ValueError
        for an id or a `channel` out of range.
        """
        interface_class = self.interface_class
        if isinstance(attribute, str):
            attribute = interface_class.find_attribute_id(attribute)
        elif not 1 <= attribute <= 127:
            raise ValueError(f"{self.tag}: attribute id {attribute} is outside 1..127")
        return AttributeDescriptor(interface_class.class_id, self.get_logical_name(channel), attribute)

    def address_method(self, method: str | int, channel: int | None = None) -> MethodDescriptor:
        """Return the descriptor of a method, by name in the interface class ("reset") or id 1..127.

        The profile need not list the method. Raises NotInInterfaceClass for an unknown name, ValueError for
        an id or a `channel` out of range.
        """
        interface_class = self.interface_class
        if isinstance(method, str):
            method = interface_class.find_method_id(method)
        elif not 1 <= method <= 127:
            raise ValueError(f"{self.tag}: method id {method} is outside 1..127")
        return MethodDescriptor(interface_class.class_id, self.get_logical_name(channel), method)

    def supports(self, *, polyphase: bool) -> bool:
        """Return whether polyphase meters, or else single-phase meters, have the object."""
        return ("PP" if polyphase else "SP") in self.phases


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The objects of the meters of one protocol version, own and inherited, in the global order of tags."""

    protocol_name: str
    protocol_version: str
    parent: "Profile | None"
    own_tags: frozenset[str]
    """The tags that this profile adds or overrides."""
    meanings: Meanings = field(repr=False)
    event_logs: Mapping[str, CosemObject] = field(repr=False)
    """The buffers with events, by category, in the order of tags."""
    _objects: Mapping[str, CosemObject] = field(repr=False)
    _by_logical_name: Mapping[bytes, tuple[CosemObject, int | None]] = field(repr=False)
    _event_types: Mapping[str, Mapping[int, str]] = field(repr=False)

    @property
    def key(self) -> str:
        """Protocol name and version, as "SMR-5.1"."""
        return f"{self.protocol_name}-{self.protocol_version}"

    def __getitem__(self, tag: str) -> CosemObject:
        try:
            return self._objects[tag]
        except KeyError:
            raise ObjectNotInProfile(tag, self.key) from None

    def __contains__(self, tag: object) -> bool:
        return tag in self._objects

    def __iter__(self) -> Iterator[CosemObject]:
        return iter(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def list_objects(self, polyphase: bool) -> tuple[CosemObject, ...]:
        """Return the objects of a single-phase or a polyphase meter."""
        return tuple(cosem_object for cosem_object in self if cosem_object.supports(polyphase=polyphase))

    def find_by_logical_name(self, logical_name: bytes) -> tuple[CosemObject, int | None] | None:
        """Return the object of a logical name and its M-Bus channel, if any; None: not in the profile."""
        return self._by_logical_name.get(logical_name)

    @property
    def invocation_counter(self) -> CounterSource | None:
        """The object with the meter's invocation counter; None: start with the platform's own counter."""
        return self.meanings.invocation_counter

    @property
    def mbus_key_wrapping(self) -> MbusKeyWrapping:
        """The form in which its meters take keys for M-Bus devices."""
        return self.meanings.mbus_key_wrapping or MbusKeyWrapping.NONE

    def get_event_types(self, category: str) -> Mapping[int, str]:
        """Return the names of the codes in one of ``event_logs``. Raises KeyError for another category."""
        return self._event_types[category]

    def find_scaler_unit_of_model(self, model: str | None) -> ScalerUnit | None:
        """Return the scaler and unit BASED_ON_MODEL of an M-Bus device; None: read them from the meter.

        Case-sensitive. The last row with a name that is part of `model` applies.
        """
        found = None
        for row in self.meanings.models or ():
            if any(name in (model or "") for name in row.names):
                found = row.scaler_unit
        return found

    def list_capture_columns(self, tag: str, channel: int | None = None) -> tuple[CaptureColumn, ...]:
        """Return the columns of a buffer, in the order in which the meter stores them.

        Columns without a channel come first, then those of the M-Bus devices: in a buffer per channel those
        of `channel` (1..4, else ValueError); in a combined buffer those of channels 1 to 4 in turn, for any
        `channel`. Empty if the client defines the columns (DEFINABLE_LOAD_PROFILE).
        """
        buffer = self[tag]
        if buffer.per_channel:
            buffer.get_logical_name(channel)
            channels: tuple[int | None, ...] = (channel,)
        else:
            channels = MBUS_CHANNELS
        entries = buffer["capture_objects"].capture_objects if "capture_objects" in buffer else ()
        captured = [(self[entry.tag], entry) for entry in entries]
        common = [
            self._make_column(source, entry, None) for source, entry in captured if not source.per_channel
        ]
        per_channel = [
            self._make_column(source, entry, each)
            for each in channels
            for source, entry in captured
            if source.per_channel
        ]
        return (*common, *per_channel)

    @staticmethod
    def _make_column(source: CosemObject, entry: CaptureObject, channel: int | None) -> CaptureColumn:
        return CaptureColumn(
            entry.tag, source.address_attribute(entry.attribute_id, channel), entry.data_index, channel
        )
