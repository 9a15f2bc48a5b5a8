"""What a message is: one class that tells its name, rights, parameters, result and COSEM steps.

REST, bundle, OpenAPI, admin form and command line are derived from these classes (osgp/messages/registry.py
finds them), so adding a message means adding one module to one of the message apps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages.naming import kebab_case, upper_snake_case
from osgp.messages.needs import Needs, list_missing
from osgp.messages.serializers import SecretField
from osgp.messages.shapes import NoResult, make_serializer
from osgp.messages.type_arguments import find_type_arguments

if TYPE_CHECKING:
    from osgp.accounts.caller import Caller
    from osgp.accounts.models import Organisation
    from osgp.messages.readings import Readings
    from osgp.messages.visited_meter import VisitedMeter

P = TypeVar("P", bound=Mapping[str, object])
"""A typed dictionary: the validated parameters of a message."""
R = TypeVar("R", bound=Mapping[str, object])
"""A typed dictionary: the result of a message."""
M = TypeVar("M", bound=Mapping[str, object])
"""A typed dictionary: what the meter told, from which a result is made."""

ParameterValues = Mapping[str, Any]
"""Validated parameters of a message, whichever it is."""


class Service(StrEnum):
    """The services that messages belong to; also the first part of their URL."""

    ADHOC = "adhoc"
    BUNDLE = "bundle"
    CONFIGURATION = "configuration"
    INSTALLATION = "installation"
    MANAGEMENT = "management"
    MONITORING = "monitoring"


class Operation(ABC, Generic[P, R]):
    """One message. Subclass :class:`MeterOperation`, :class:`PlatformOperation` or, if it is made of others,
    :class:`CompositeOperation`, with the typed dictionaries of its parameters and of its result
    (osgp/messages/shapes.py).

    The class docstring is what API users read about the message.
    """

    message: ClassVar[str]
    """Wire name, e.g. ``SynchronizeTime``."""
    service: ClassVar[Service]
    granted_to: ClassVar[frozenset[DeviceFunctionGroup]] = frozenset({DeviceFunctionGroup.OWNER})
    """Function groups that may use it; OWNER always belongs to them."""
    device_types: ClassVar[frozenset[DeviceType]] = frozenset({DeviceType.SMART_METER_E})
    """What it may be addressed to."""
    needs: ClassVar[Needs] = ()
    """COSEM objects that meters must have, whatever its parameters; refused with 416 otherwise."""
    repeatable: ClassVar[bool] = True
    """Whether it does no harm to carry it out again when the outcome of an attempt is unknown."""
    bundleable: ClassVar[bool] = True
    """Whether it may be one of the actions of a bundle."""

    @classmethod
    def find_shapes(cls) -> tuple[Any, Any]:
        """The typed dictionaries of parameters and result."""
        parameters, result = find_type_arguments(cls, Operation)
        return parameters, result

    def check_shapes(self) -> None:
        """Raises ShapeError when no serializers can be made of parameters and result."""
        assert self.parameters_serializer
        assert self.result_serializer

    @cached_property
    def parameters_serializer(self) -> type[serializers.Serializer]:
        """Made from the typed dictionary of the parameters."""
        return make_serializer(self.find_shapes()[0])

    @cached_property
    def result_serializer(self) -> type[serializers.Serializer]:
        """Made from the typed dictionary of the result."""
        return make_serializer(self.find_shapes()[1])

    @cached_property
    def secret_fields(self) -> frozenset[str]:
        """Parameters that are shown to nobody, and not kept longer than needed."""
        fields = self.parameters_serializer().fields
        return frozenset(name for name, field in fields.items() if isinstance(field, SecretField))

    @classmethod
    def derive_slug(cls) -> str:
        """``SynchronizeTime`` -> ``synchronize-time``, its name in URLs."""
        return kebab_case(cls.message)

    @classmethod
    def derive_path(cls) -> str:
        """``adhoc/synchronize-time``, where it is found below the root of the API."""
        return f"{cls.service}/{cls.derive_slug()}"

    @classmethod
    def derive_device_function(cls) -> str:
        """``SynchronizeTime`` -> ``SYNCHRONIZE_TIME``, the right that it needs."""
        return upper_snake_case(cls.message)

    def check_parameters(self, parameters: P) -> None:
        """Refuse valid parameters that do not go together. Raises rest_framework ValidationError."""

    def list_needs(self, parameters: P) -> Mapping[str, Needs]:
        """The COSEM objects that these parameters need beside ``needs``, by the name of the parameter."""
        return {}

    def supports(self, profile: Profile) -> bool:
        """Whether meters of a profile have what it needs, whatever its parameters."""
        return not list_missing(self.needs, profile)

    def check_profile(self, profile: Profile, parameters: P) -> None:
        """Raises Fault 416, with the parameter that asks for it, for an object that a profile lacks."""
        for name, needs in {"": self.needs, **self.list_needs(parameters)}.items():
            for missing in list_missing(needs, profile):
                raise Fault(
                    FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                    f"{self.message} needs {missing}, which {profile.key} meters do not have.",
                    pointer=f"/{name}" if name else "",
                )

    def parse(self, parameters: Mapping[str, Any]) -> P:
        """Validate JSON parameters. Raises rest_framework ValidationError with the fields named."""
        validated: P = self._parameters.run_validation(dict(parameters))
        self.check_parameters(validated)
        return validated

    # Making a serializer copies its fields, which takes longer than using it; these two hold no data.
    @cached_property
    def _parameters(self) -> serializers.Serializer:
        return self.parameters_serializer()

    @cached_property
    def _result(self) -> serializers.Serializer:
        return self.result_serializer()

    def represent_parameters(self, parameters: P) -> dict[str, Any]:
        """Validated parameters as JSON, to be kept with the action and parsed again when it is due."""
        return dict(self.parameters_serializer(parameters).data)

    def represent_result(self, result: R) -> dict[str, Any]:
        """A result as the JSON that callers get."""
        return dict(self._result.to_representation(result))


class MeterOperation(Operation[P, R], Generic[P, R]):
    """A message that is carried out with a meter."""

    @abstractmethod
    def perform(self, meter: "VisitedMeter", parameters: P) -> R:
        """Carry it out over the held association and return the result.

        Only COSEM steps: no sockets, no queries. Raises osgp.faults.Fault (DLMS errors are faults as well).
        """

    def check_device(self, device: Device, parameters: P) -> None:
        """Refuse what this very device cannot do, before anything is stored. Raises osgp.faults.Fault.

        For what depends on more than the objects of its profile. The device may be another when the meter is
        visited: ``perform`` finds out by itself.
        """

    def list_device_changes(self, parameters: P, result: R) -> Mapping[str, Any]:
        """Fields of the device row that a success tells the new value of, e.g. its time zone."""
        return {}

    def list_readings(self, parameters: P, result: R) -> "Iterable[Readings]":
        """What the meter said about measured quantities. Kept with the outcome, once however often read."""
        return ()


class ConcludedOperation(MeterOperation[P, M], Generic[P, M, R]):
    """A message that is carried out with a meter, and then with what the platform knows of devices.

    ``perform`` returns what the meter told, ``M``.
    """

    @classmethod
    def find_shapes(cls) -> tuple[Any, Any]:
        parameters, _, result = find_type_arguments(cls, ConcludedOperation)
        return parameters, result

    @abstractmethod
    def conclude(self, organisation: "Organisation", device: Device, parameters: P, told: M) -> R:
        """Go on from what ``perform`` returned to the result, in one transaction, queries allowed.

        Must do no harm when done twice: the outcome is stored after it. What the organisation was granted on
        other devices than its own has to be looked at here. Raises osgp.faults.Fault.
        """


class PlatformOperation(Operation[P, R], Generic[P, R]):
    """A message that changes the platform only, in the same transaction as its outcome."""

    bundleable = False

    @abstractmethod
    def check(self, organisation: "Organisation", device: Device | None, parameters: P) -> None:
        """Refuse what cannot succeed, before anything is stored. Raises osgp.faults.Fault.

        ``device`` is the one of the given identification, if there is one, whether or not the organisation
        may see it: what it was granted has to be looked at here.
        """

    @abstractmethod
    def perform(
        self, organisation: "Organisation", device_identification: str, parameters: P
    ) -> tuple[Device | None, R]:
        """Carry it out; returns the device that it is about and the result. Runs inside a transaction."""


@dataclass(frozen=True)
class NewAction:
    """An action that passed all checks: what is to be done, with which device."""

    operation: Operation[Any, Any]
    parameters: Mapping[str, Any]
    device: Device | None


@dataclass(frozen=True)
class Composition:
    """What a composite operation is made of: the device that it is addressed to, and its actions in order.

    ``scheduling`` is the validated data of ``osgp.requests.submission.SchedulingFields``.
    """

    device: Device
    scheduling: Mapping[str, Any]
    actions: Sequence[NewAction]


class CompositeOperation(Operation[P, NoResult], Generic[P]):
    """A message made of other messages: each becomes an action of the request, with an outcome of its own."""

    bundleable = False

    @abstractmethod
    def compose(self, caller: "Caller", body: Mapping[str, Any]) -> Composition:
        """Check the message and everything in it.

        Raises what osgp.requests.submission.submit raises; nothing is stored then.
        """
