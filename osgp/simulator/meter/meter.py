"""One simulated meter: access to its attributes and methods."""

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor

from ..codec.axdr import Data, DataType, decode, encode
from ..codec.results import ActionResult, DataAccessResult
from .buffers import CLEARING
from .query import WRITE, AccessError, AssociationView, Invocation, LogicalDevice
from .tariffs import catch_up, note_change


class Meter(LogicalDevice):
    """A meter as its clients have it: what they read, write and invoke."""

    __slots__ = ()

    def set(
        self,
        descriptor: AttributeDescriptor,
        encoded: bytes,
        association: AssociationView | None = None,
    ) -> None:
        """Set an attribute to an encoded value; AccessError when it is refused.

        Without an ``association`` access rights do not apply, data types do.
        """
        entry, attribute = self.find(descriptor)
        if association is not None and (not attribute.access & WRITE or association.is_public):
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        now = self.settings.clock()
        catch_up(self, now)
        data = decode(encoded)
        if not attribute.shape.fits(data):
            raise AccessError(DataAccessResult.TYPE_UNMATCHED)
        if data.type in (DataType.DATE_TIME, DataType.DATE, DataType.TIME) and attribute.data_type is (
            DataType.OCTET_STRING
        ):
            encoded = encode(Data(DataType.OCTET_STRING, data.value))
        if attribute.check is not None:
            attribute.check(self, data)
        if attribute.allowed is not None and data.value not in attribute.allowed:
            raise AccessError(DataAccessResult.OTHER_REASON)
        write = attribute.write
        kept_elsewhere = write is not None and write(self, entry, data, now)
        overrides = self.memory.overrides
        if overrides is None:
            overrides = self.memory.overrides = {}
        overrides.pop(descriptor, None)
        if not kept_elsewhere:
            overrides[descriptor] = encoded
        if descriptor in self.type.tariff_settings:
            note_change(self, now)

    def forget(self, descriptor: AttributeDescriptor) -> None:
        """Undo what an attribute was set to."""
        entry, _ = self.find(descriptor)
        now = self.settings.clock()
        catch_up(self, now)
        record = self.record
        if record is not None:
            if descriptor == entry.descriptors.get("value"):
                record.latches.pop(entry.tag, None)
            if descriptor == self.type.clock:
                record.clock.clear()
            if descriptor in [entry.descriptors.get(name) for name in CLEARING]:
                record.cleared.pop((entry.tag, entry.channel), None)
        if self.memory.overrides is not None:
            self.memory.overrides.pop(descriptor, None)
        if descriptor in self.type.tariff_settings:
            note_change(self, now)

    # Methods

    def invoke(
        self, descriptor: MethodDescriptor, parameter: bytes | None, association: AssociationView
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke a method: its result and the encoded data that it returns, if any."""
        entry = self.type.objects.get(descriptor.logical_name)
        if entry is None:
            return ActionResult.OBJECT_UNDEFINED, None
        if entry.class_id != descriptor.class_id:
            return ActionResult.OBJECT_CLASS_INCONSISTENT, None
        handler = entry.handlers.get(descriptor.method_id)
        if handler is None:
            known = descriptor.method_id in entry.methods
            return (ActionResult.READ_WRITE_DENIED if known else ActionResult.OBJECT_UNDEFINED), None
        if association.is_public:
            return ActionResult.READ_WRITE_DENIED, None
        catch_up(self, self.settings.clock())
        data = decode(parameter) if parameter is not None else None
        return handler(Invocation(self, entry, data))
