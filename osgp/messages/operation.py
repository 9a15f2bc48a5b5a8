"""What a message is: one class that tells its name, rights, parameters, result and COSEM steps.

REST, bundle, OpenAPI, admin form and CLI are derived from these classes (osgp/messages/registry.py finds
them), so adding a message means adding one module to one of the message apps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.devices.models import Device, DeviceType
from osgp.messages.naming import kebab_case, upper_snake_case
from osgp.messages.serializers import StrictSerializer

if TYPE_CHECKING:
    from osgp.accounts.caller import Caller
    from osgp.accounts.models import Organisation
    from osgp.catalogue import Profile
    from osgp.messages.readings import Readings
    from osgp.messages.visited_meter import VisitedMeter

ParameterValues = Mapping[str, Any]
"""Validated parameters of one message, as its ``Parameters`` serializer gives them."""


class Service(StrEnum):
    """The services that messages belong to; also the first part of their URL."""

    ADHOC = "adhoc"
    BUNDLE = "bundle"
    CONFIGURATION = "configuration"
    INSTALLATION = "installation"
    MANAGEMENT = "management"
    MONITORING = "monitoring"


class NoParameters(StrictSerializer):
    """A message without parameters of its own."""


class NoResult(StrictSerializer):
    """A message that succeeds without saying more."""


class Operation(ABC):
    """One message. Subclass :class:`MeterOperation`, :class:`PlatformOperation` or, if it is made of others,
    :class:`CompositeOperation`.

    The class docstring is what API users read about the message.
    """

    message: ClassVar[str]
    """Wire name, e.g. ``SynchronizeTime``."""
    service: ClassVar[Service]
    granted_to: ClassVar[frozenset[DeviceFunctionGroup]] = frozenset({DeviceFunctionGroup.OWNER})
    """Function groups that may use it; OWNER always belongs to them."""
    device_types: ClassVar[frozenset[DeviceType]] = frozenset({DeviceType.SMART_METER_E})
    """What it may be addressed to."""
    repeatable: ClassVar[bool] = True
    """Whether it does no harm to carry it out again when the outcome of an attempt is unknown."""
    bundleable: ClassVar[bool] = True
    """Whether it may be one of the actions of a bundle."""

    Parameters: ClassVar[type[serializers.Serializer]] = NoParameters
    Result: ClassVar[type[serializers.Serializer]] = NoResult

    @classmethod
    def slug(cls) -> str:
        """``SynchronizeTime`` -> ``synchronize-time``, its name in URLs."""
        return kebab_case(cls.message)

    @classmethod
    def path(cls) -> str:
        """``adhoc/synchronize-time``, where it is found below the root of the API."""
        return f"{cls.service}/{cls.slug()}"

    @classmethod
    def device_function(cls) -> str:
        """``SynchronizeTime`` -> ``SYNCHRONIZE_TIME``, the right that it needs."""
        return upper_snake_case(cls.message)

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        """Parameters that are shown to nobody, and not kept longer than needed."""
        return frozenset(getattr(cls.Parameters, "secret_fields", ()))

    def parse(self, parameters: Mapping[str, Any]) -> ParameterValues:
        """Validate JSON parameters. Raises rest_framework ValidationError with the fields named."""
        validated: ParameterValues = self._parameters.run_validation(dict(parameters))
        return validated

    # Making a serializer copies its fields, which takes longer than using it; these two hold no data.
    @cached_property
    def _parameters(self) -> serializers.Serializer:
        return self.Parameters()

    @cached_property
    def _result(self) -> serializers.Serializer:
        return self.Result()

    def stored(self, parameters: ParameterValues) -> dict[str, Any]:
        """Validated parameters as JSON, to be kept with the action and parsed again when it is due."""
        return dict(self.Parameters(parameters).data)

    def stored_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """What ``perform`` returned as JSON."""
        return dict(self._result.to_representation(result))

    def supports(self, profile: "Profile") -> bool:
        """Whether meters of this profile have what it needs; refused with 416 otherwise."""
        return True


class MeterOperation(Operation):
    """A message that is carried out with a meter."""

    @abstractmethod
    def perform(self, meter: "VisitedMeter", parameters: ParameterValues) -> Mapping[str, Any]:
        """Carry it out over the held association and return the result.

        Only COSEM steps: no sockets, no queries. Raises osgp.faults.Fault (DLMS errors are faults as well).
        """

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        """Refuse what this very device cannot do, before anything is stored. Raises osgp.faults.Fault.

        For what depends on more than the profile, which ``supports`` looks at. The device may be another when
        the meter is visited: ``perform`` finds out by itself.
        """

    def device_changes(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fields of the device row that a success tells the new value of, e.g. its time zone."""
        return {}

    def readings(self, parameters: ParameterValues, result: Mapping[str, Any]) -> "Iterable[Readings]":
        """What the meter said about measured quantities. Kept with the outcome, once however often read.

        ``result`` is what ``perform`` returned, which may hold more than ``Result`` shows, such as raw
        columns.
        """
        return ()


class ConcludedOperation(MeterOperation):
    """A message that is carried out with a meter, and then with what the platform knows of devices."""

    @abstractmethod
    def conclude(
        self,
        organisation: "Organisation",
        device: Device,
        parameters: ParameterValues,
        result: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Go on from what ``perform`` returned to the result, in one transaction, queries allowed.

        Must do no harm when done twice: the outcome is stored after it. What the organisation was granted on
        other devices than its own has to be looked at here. Raises osgp.faults.Fault.
        """


class PlatformOperation(Operation):
    """A message that changes the platform only, in the same transaction as its outcome."""

    bundleable = False

    @abstractmethod
    def check(self, organisation: "Organisation", device: Device | None, parameters: ParameterValues) -> None:
        """Refuse what cannot succeed, before anything is stored. Raises osgp.faults.Fault.

        ``device`` is the one of the given identification, if there is one, whether or not the organisation
        may see it: what it was granted has to be looked at here.
        """

    @abstractmethod
    def perform(
        self, organisation: "Organisation", device_identification: str, parameters: ParameterValues
    ) -> tuple[Device | None, Mapping[str, Any]]:
        """Carry it out; returns the device that it is about and the result. Runs inside a transaction."""


@dataclass(frozen=True)
class NewAction:
    """An action that passed all checks: what is to be done, with which device."""

    operation: Operation
    parameters: ParameterValues
    device: Device | None


@dataclass(frozen=True)
class Composition:
    """What a composite operation is made of: the device that it is addressed to, and its actions in order.

    ``scheduling`` is the validated data of ``osgp.requests.submission.SchedulingFields``.
    """

    device: Device
    scheduling: Mapping[str, Any]
    actions: Sequence[NewAction]


class CompositeOperation(Operation):
    """A message made of other messages: each becomes an action of the request, with an outcome of its own."""

    bundleable = False

    @abstractmethod
    def compose(self, caller: "Caller", body: Mapping[str, Any]) -> Composition:
        """Check the message and everything in it.

        Raises what osgp.requests.submission.submit raises; nothing is stored then.
        """
