"""Operations: the class of a message has its name, rights, parameters, result and COSEM steps.

REST, bundles, OpenAPI, admin forms and the command line are derived from the registered classes
(osgp/messages/registry.py). So a new message is one new module in one of the message apps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.devices.models import Device, DeviceType
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.naming import kebab_case, upper_snake_case
from osgp.messages.needs import Needs, list_missing
from osgp.messages.serializers import SecretField
from osgp.messages.shapes import NoResult, make_serializer
from osgp.messages.type_arguments import find_type_arguments

if TYPE_CHECKING:
    from osgp.accounts.caller import Caller
    from osgp.accounts.models import Organisation
    from osgp.messages.connections import UnreachedMeter
    from osgp.messages.readings import Readings
    from osgp.messages.visited_meter import VisitedMeter

P = TypeVar("P", bound=Mapping[str, object])
"""A typed dictionary: the validated parameters of a message."""
R = TypeVar("R", bound=Mapping[str, object])
"""A typed dictionary: the result of a message."""
M = TypeVar("M", bound=Mapping[str, object])
"""A typed dictionary: the answer of the meter, from which ``conclude`` makes the result."""

ParameterValues = Mapping[str, Any]
"""Validated parameters of any message."""


class Service(StrEnum):
    """The services that messages belong to; also the first part of their URLs."""

    ADHOC = "adhoc"
    BUNDLE = "bundle"
    CONFIGURATION = "configuration"
    INSTALLATION = "installation"
    MANAGEMENT = "management"
    MONITORING = "monitoring"


class OutcomeUnknown(Fault):
    """Whether an action took effect cannot be told; ``cause`` is a text that says why, such as a fault's."""

    def __init__(self, cause: str = "The connection was lost while this was being carried out") -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            f"{cause.rstrip('.')}; whether it took effect is unknown. It was not repeated.",
            component=Component.CORE,
        )


class Interrupted(Exception):
    """The meter was lost when part of the result had come.

    ``result`` is that part, in the shape of a whole one; ``fault`` is why no more came.
    """

    def __init__(self, fault: Fault, result: Any) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.result = result


class Operation(ABC, Generic[P, R]):
    """One message. Subclass :class:`MeterOperation`, :class:`PlatformOperation` or, for a message of other
    messages, :class:`CompositeOperation`, with the typed dictionaries of its parameters and its result
    (osgp/messages/shapes.py).

    The docstring of the class is the description for API users.
    """

    message: ClassVar[str]
    """Wire name, e.g. ``SynchronizeTime``."""
    service: ClassVar[Service]
    granted_to: ClassVar[frozenset[DeviceFunctionGroup]] = frozenset({DeviceFunctionGroup.OWNER})
    """Function groups that may use it, beside OWNER."""
    device_types: ClassVar[frozenset[DeviceType]] = frozenset({DeviceType.SMART_METER_E})
    """Types of devices that it may be sent to."""
    needs: ClassVar[Needs] = ()
    """COSEM objects that meters must have, whatever the parameters; otherwise refused with 416."""
    without_gateway: ClassVar[FaultCode] = FaultCode.VALIDATION_ERROR
    """The fault of an M-Bus device that is behind no electricity meter."""
    without_channel: ClassVar[FaultCode] = FaultCode.VALIDATION_ERROR
    """The fault of an M-Bus device whose channel is unknown."""
    repeatable: ClassVar[bool] = True
    """Whether it may be carried out again when the outcome of an attempt is unknown."""
    bundleable: ClassVar[bool] = True
    """Whether it may be an action of a bundle."""
    goes_on: ClassVar[bool] = False
    """Whether the next attempt finds out how far this one came, whatever ended its association."""

    @classmethod
    def find_shapes(cls) -> tuple[Any, Any]:
        """Return the typed dictionaries of the parameters and the result."""
        parameters, result = find_type_arguments(cls, Operation)
        return parameters, result

    def check_shapes(self) -> None:
        """Raise ShapeError if the parameters or the result have no serializer."""
        assert self.parameters_serializer
        assert self.result_serializer

    @cached_property
    def parameters_serializer(self) -> type[serializers.Serializer]:
        """The serializer of the parameters."""
        return make_serializer(self.find_shapes()[0])

    @cached_property
    def result_serializer(self) -> type[serializers.Serializer]:
        """The serializer of the result."""
        return make_serializer(self.find_shapes()[1])

    @cached_property
    def secret_fields(self) -> frozenset[str]:
        """Names of the secret parameters: never shown, and deleted when the request is final."""
        fields = self.parameters_serializer().fields
        return frozenset(name for name, field in fields.items() if isinstance(field, SecretField))

    @classmethod
    def derive_slug(cls) -> str:
        """Return its name in URLs: ``SynchronizeTime`` -> ``synchronize-time``."""
        return kebab_case(cls.message)

    @classmethod
    def derive_path(cls) -> str:
        """Return its path below the root of the API, such as ``adhoc/synchronize-time``."""
        return f"{cls.service}/{cls.derive_slug()}"

    @classmethod
    def derive_device_function(cls) -> str:
        """Return the device function that it needs: ``SynchronizeTime`` -> ``SYNCHRONIZE_TIME``."""
        return upper_snake_case(cls.message)

    def check_parameters(self, parameters: P) -> None:
        """Raise rest_framework ValidationError for valid parameters that contradict each other."""

    def list_needs(self, parameters: P) -> Mapping[str, Needs]:
        """Return the COSEM objects that these parameters need beside ``needs``, by parameter name."""
        return {}

    def supports(self, profile: Profile) -> bool:
        """Return whether a profile has the objects that every use of the message needs."""
        return not list_missing(self.needs, profile)

    def check_profile(self, profile: Profile, parameters: P) -> None:
        """Raise Fault 416, with a pointer to the parameter, for an object that the profile lacks."""
        for name, needs in {"": self.needs, **self.list_needs(parameters)}.items():
            for missing in list_missing(needs, profile):
                raise Fault(
                    FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                    f"{self.message} needs {missing}, which {profile.key} meters do not have.",
                    pointer=f"/{name}" if name else "",
                )

    def parse(self, parameters: Mapping[str, Any]) -> P:
        """Validate JSON parameters. Raises rest_framework ValidationError by field."""
        validated: P = self._parameters.run_validation(dict(parameters))
        self.check_parameters(validated)
        return validated

    # A new serializer copies its fields, which takes longer than its use; these two hold no data.
    @cached_property
    def _parameters(self) -> serializers.Serializer:
        return self.parameters_serializer()

    @cached_property
    def _result(self) -> serializers.Serializer:
        return self.result_serializer()

    def represent_parameters(self, parameters: P) -> dict[str, Any]:
        """Return validated parameters as JSON, to store with the action and parse again when it is due."""
        return dict(self.parameters_serializer(parameters).data)

    def represent_result(self, result: R) -> dict[str, Any]:
        """Return a result as the JSON that callers get."""
        return dict(self._result.to_representation(result))


class MeterOperation(Operation[P, R], Generic[P, R]):
    """A message for a meter."""

    @abstractmethod
    def perform(self, meter: "VisitedMeter", parameters: P) -> R:
        """Carry it out over the association and return the result.

        COSEM steps only: no sockets, no queries. Raises osgp.faults.Fault (DLMS errors are faults as well),
        and :class:`Interrupted` with what had come: the next attempt finds that in ``meter.earlier``. Its
        readings are stored at once, so the next attempt returns only what is new, and ``join`` puts both
        together.
        """

    def join(self, earlier: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Join what came in earlier attempts and what came after, both as of :meth:`represent_result`."""
        return result

    @classmethod
    def comes_in_parts(cls) -> bool:
        """Whether it may end with a part of its result: then it says how parts are joined."""
        return cls.join is not MeterOperation.join

    @classmethod
    def has_readings(cls) -> bool:
        """Whether there may be readings in its result."""
        return cls.list_readings is not MeterOperation.list_readings

    probes: ClassVar[bool] = False
    """Whether it also tries other connections (``meter.connections``), after it has released the association,
    and is asked to ``find_reason`` if there is none. Only for what is not bundleable."""

    def find_reason(self, meter: "UnreachedMeter", parameters: P) -> Interrupted:
        """Find out, if it ``probes``, why no association could be opened; return it as what this attempt
        ended with. Raises Fault.
        """
        raise meter.fault

    marks_start: ClassVar[bool] = False
    """Whether ``perform`` calls ``meter.mark_started()`` right before what must not be repeated.

    Then what it asks before may be asked again. Otherwise, unless it is repeatable, all of it counts.
    """

    def find_outcome(self, meter: "VisitedMeter", parameters: P) -> R:
        """Ask the meter what came of an attempt whose answer was lost, or cannot be trusted; only if not
        repeatable. It may be that of this very visit.

        Return the result if it took effect. Raises Fault, which is not retryable, if it did not, and
        OutcomeUnknown if the meter cannot tell.
        """
        raise OutcomeUnknown

    def check_device(self, device: Device, parameters: P) -> None:
        """Raise osgp.faults.Fault, before anything is stored, for what this device cannot do.

        For conditions beyond the objects of its profile. The device may have changed when the meter is
        visited, so ``perform`` must check again.
        """

    def list_device_changes(self, parameters: P, result: R) -> Mapping[str, Any]:
        """Return new values of device fields after a success, e.g. its time zone."""
        return {}

    def list_readings(self, parameters: P, result: R) -> "Iterable[Readings]":
        """List the readings in a result. They are stored with the outcome; repeated ones count once."""
        return ()


class ConcludedOperation(MeterOperation[P, M], Generic[P, M, R]):
    """A message for a meter whose result also needs the database.

    ``perform`` returns the answer of the meter, ``M``.
    """

    @classmethod
    def find_shapes(cls) -> tuple[Any, Any]:
        parameters, _, result = find_type_arguments(cls, ConcludedOperation)
        return parameters, result

    @abstractmethod
    def conclude(self, organisation: "Organisation", device: Device, parameters: P, answer: M) -> R:
        """Make the result from the answer that ``perform`` returned. In a transaction; queries are allowed.

        It may run twice, because the outcome is stored later. It must check the rights of the organisation on
        other devices than ``device``. Raises osgp.faults.Fault.
        """


@dataclass(frozen=True)
class Sender:
    """For whom a message is carried out: an application of an organisation.

    Requests of people bear a name instead of an application: ``admin/USERNAME`` or ``command line``.
    ``correlation_uid`` is that of the request; None while it is checked, before it is stored.
    """

    organisation: "Organisation"
    application: str
    correlation_uid: UUID | None = None

    def __str__(self) -> str:
        return f"{self.organisation.identification}/{self.application}"


class PlatformOperation(Operation[P, R], Generic[P, R]):
    """A message that changes only the platform, in the transaction that stores its outcome."""

    bundleable = False

    @abstractmethod
    def check(self, sender: Sender, device: Device | None, parameters: P) -> None:
        """Raise osgp.faults.Fault, before anything is stored, for what cannot succeed.

        ``device`` has the given identification, if there is one, whether or not the organisation may see it:
        check its rights here.
        """

    @abstractmethod
    def perform(self, sender: Sender, device_identification: str, parameters: P) -> tuple[Device | None, R]:
        """Carry it out; return its device and the result. Runs in a transaction."""


@dataclass(frozen=True)
class NewAction:
    """An action that may be stored; ``fault``: why its device cannot do it, if so."""

    operation: Operation[Any, Any]
    parameters: Mapping[str, Any]
    device: Device | None
    fault: Fault | None = None

    def represent_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON, to store. One that will not be carried out keeps no secrets."""
        represented = self.operation.represent_parameters(self.parameters)
        dropped = self.operation.secret_fields if self.fault else frozenset()
        return {name: value for name, value in represented.items() if name not in dropped}


@dataclass(frozen=True)
class Composition:
    """The parts of a composite operation: its device, and its actions in order.

    ``scheduling`` is the validated data of ``osgp.requests.submission.SchedulingFields``.
    """

    device: Device
    scheduling: Mapping[str, Any]
    actions: Sequence[NewAction]


class CompositeOperation(Operation[P, NoResult], Generic[P]):
    """A message that consists of others: each becomes an action of the request, with its own outcome."""

    bundleable = False

    @abstractmethod
    def compose(self, caller: "Caller", body: Mapping[str, Any]) -> Composition:
        """Check the message and its parts; return them.

        Raises as osgp.requests.submission.submit does.
        """
