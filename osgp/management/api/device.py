"""GET and PATCH /api/v1/devices/{identification}/: a device, and how it is talked to."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.rights import is_owner, list_visible_devices
from osgp.device_groups import listing
from osgp.devices.learned import find_learned
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device
from osgp.devices.setting_changes import InvalidSettings, change_device, find_layers
from osgp.devices.settings_resolution import Source
from osgp.faults import Component, Fault, FaultCode
from osgp.management.answers import describe_device
from osgp.management.api.get_devices import ListedDeviceSerializer
from osgp.messages.serializers import StrictSerializer
from osgp.messages.setting_fields import add_setting_fields, make_setting_field
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope

IDENTIFICATION = OpenApiParameter("identification", str, OpenApiParameter.PATH, description="Of the device.")


class DeviceSettings(StrictSerializer):
    """Settings of a device: values, or null for what is not to be set any more."""


DeviceSettingsChange = add_setting_fields(DeviceSettings, allow_null=True)


def _make_effective(name: str) -> type[serializers.Serializer]:
    fields = {
        "value": make_setting_field(name, allow_null=True),
        "source": serializers.ChoiceField([str(each) for each in Source]),
    }
    title = "".join(part.title() for part in name.split("_"))
    return type(f"Effective{title}Serializer", (serializers.Serializer,), fields)


EffectiveSettingsSerializer = type(
    "EffectiveSettingsSerializer",
    (serializers.Serializer,),
    {
        "__doc__": "What holds for a device, and where it comes from.",
        **{name: _make_effective(name)(help_text=SETTINGS[name].describe()) for name in SETTINGS},
    },
)


class LearnedSerializer(serializers.Serializer):
    """What the platform has learned of a meter in its visits."""

    habits = serializers.DictField(child=serializers.CharField(), help_text="What works with it, by name.")
    checked = serializers.DictField(
        child=serializers.DateTimeField(),
        help_text="When it was last asked how it describes its objects, by what was read.",
    )


class DeviceSerializer(ListedDeviceSerializer):
    """A device, and how it is talked to. An M-Bus device is read the way its gateway is: null."""

    own_settings = serializers.DictField(
        allow_null=True, help_text="What was set for the device itself, by name."
    )
    settings = EffectiveSettingsSerializer(
        allow_null=True,
        help_text="What holds: what was set for the device, else for its model, else for its profile.",
    )
    learned = LearnedSerializer(allow_null=True)


class DeviceView(APIView):
    """GET and PATCH /api/v1/devices/{identification}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="device",
        summary="A device",
        description="What the platform knows of a device that the organisation was granted anything on, how "
        "it is talked to, and what was learned of it. No meter is contacted.",
        tags=["management"],
        parameters=[IDENTIFICATION],
        responses={200: DeviceSerializer, **document_problems(403, 404, examples={})},
    )
    def get(self, request: HttpRequest, identification: str) -> Response:
        caller = find_caller(request)
        return Response(_describe(caller, _find(caller, identification)))

    @extend_schema(
        operation_id="device_change",
        summary="Change the settings of a device",
        description="Change how a device of the organisation's own is talked to, from its next visit on. "
        "What is left out stays; null removes a setting, so that what is set for the model or profile holds. "
        "Needs the scope `management`.",
        tags=["management"],
        parameters=[IDENTIFICATION],
        request=DeviceSettingsChange,
        responses={200: DeviceSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def patch(self, request: HttpRequest, identification: str) -> Response:
        caller = find_caller(request)
        check_scope(caller, Scope.MANAGEMENT)
        device = _find(caller, identification)
        if not is_owner(caller.organisation, device):
            raise Fault(
                FaultCode.UNAUTHORIZED,
                f"Only an owner of {identification} may change its settings.",
                component=Component.WEB_SERVICE,
            )
        serializer = DeviceSettingsChange(data=request.data)
        serializer.is_valid(raise_exception=True)
        if not serializer.validated_data:
            raise ValidationError("At least one setting must be given.")
        try:
            device = change_device(device.pk, serializer.validated_data)
        except InvalidSettings as error:
            raise ValidationError({name: [text] for name, text in error.errors.items()}) from error
        return Response(_describe(caller, device))


def _find(caller: Caller, identification: str) -> Device:
    visible = list_visible_devices(caller.organisation).select_related("knowledge")
    # A name with NUL would be an error of the database.
    device = None if "\0" in identification else visible.filter(identification=identification).first()
    if device is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "There is no such device.", component=Component.WEB_SERVICE)
    return device


def _describe(caller: Caller, device: Device) -> dict[str, Any]:
    [listed], _ = listing.list_page(caller.organisation, Device.objects.filter(pk=device.pk), 1)
    body = describe_device(listed)
    if device.is_mbus:
        return {**body, "own_settings": None, "settings": None, "learned": None}
    layers, learned = find_layers(device), find_learned(device)
    effective = layers.explain()
    return {
        **body,
        "own_settings": dict(layers.device),
        "settings": {name: {"value": value, "source": source} for name, (value, source) in effective.items()},
        "learned": {"habits": dict(learned.habits), "checked": dict(learned.checked)},
    }
