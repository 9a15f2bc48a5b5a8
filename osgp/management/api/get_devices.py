"""GetDevices: what the platform knows of an organisation's devices. No meter is contacted."""

from collections.abc import Sequence

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.models import Organisation
from osgp.device_groups import listing
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import DeviceType, LifecycleStatus, RelayStatus
from osgp.firmware.models import FirmwareModuleType
from osgp.management.answers import describe_device
from osgp.messages.serializers import CharField, ChoiceField, make_printable
from osgp.requests.api.pages import (
    DEFAULT_PAGE_SIZE,
    LARGEST_PAGE,
    PageQuery,
    build_next_page_link,
    validate_query,
)
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import DeviceIdentificationField

MOST_GROUPS = 100


class GetDevicesQuery(PageQuery):
    """Filters of the list of devices; a device has to pass all that are given."""

    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=LARGEST_PAGE,
        help_text=f"Device identification; may be repeated, up to {LARGEST_PAGE} times.",
    )
    group = serializers.ListField(
        child=CharField(max_length=64),
        required=False,
        max_length=MOST_GROUPS,
        help_text=f"Name of a device group: the devices in any of them. May be repeated, up to {MOST_GROUPS} "
        "times.",
    )
    device_type = ChoiceField(DeviceType, required=False)
    cursor = DeviceIdentificationField(required=False, help_text='From the Link header with rel="next".')


class RelayStatusSerializer(serializers.Serializer):
    """Output state of the disconnect control object, as it was last read."""

    status = serializers.ChoiceField(choices=RelayStatus.values)
    as_of = serializers.DateTimeField(help_text="When it was so.", allow_null=True)


class FirmwareVersionSerializer(serializers.Serializer):
    """The firmware of one module of a device, as it was last read."""

    firmware_module_type = serializers.ChoiceField(choices=FirmwareModuleType.values)
    version = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField(help_text="When this version was first seen.")
    last_seen = serializers.DateTimeField()


class ListedDeviceSerializer(serializers.Serializer):
    """What the platform knows of a device."""

    device_identification = serializers.CharField()
    device_type = serializers.ChoiceField(choices=DeviceType.values)
    protocol_name = serializers.CharField()
    protocol_version = serializers.CharField()
    lifecycle_status = serializers.ChoiceField(choices=LifecycleStatus.values)
    gateway = serializers.CharField(
        allow_null=True,
        help_text="The electricity meter of an M-Bus device; null also if the organisation may not see it.",
    )
    channel = serializers.IntegerField(allow_null=True, min_value=1, max_value=4)
    relay_status = RelayStatusSerializer(allow_null=True, help_text="Null while it is not known.")
    hls3_active = serializers.BooleanField(
        allow_null=True,
        help_text="Whether HLS 3 is on at P3, as the configuration object of the meter last said. Null while "
        "it is not known.",
    )
    hls4_active = serializers.BooleanField(allow_null=True, help_text="The same of HLS 4.")
    hls5_active = serializers.BooleanField(allow_null=True, help_text="The same of HLS 5.")
    firmware_versions = FirmwareVersionSerializer(
        many=True, help_text="By module; those that GetFirmwareVersion or GetFirmwareVersionGas has read."
    )


class DevicePageSerializer(serializers.Serializer):
    """Devices by identification; the Link header with rel="next" leads on."""

    results = ListedDeviceSerializer(many=True)


class GetDevicesView(APIView):
    """GET /api/v1/management/devices/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="get_devices",
        summary="GetDevices",
        description="The devices that the organisation was granted anything on, with relay status and "
        "firmware as last known. No meter is contacted; ReadRelayStatus and GetFirmwareVersion ask one.",
        tags=["management"],
        parameters=[GetDevicesQuery],
        responses={200: DevicePageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(GetDevicesQuery, request.query_params, repeatable=("device", "group"))
        organisation = find_caller(request).organisation
        devices = listing.list_devices(
            organisation,
            identifications=query.get("device"),
            groups=_find_groups(organisation, query["group"]) if "group" in query else None,
            device_type=query.get("device_type"),
        )
        size = query.get("page_size", DEFAULT_PAGE_SIZE)
        found, cursor = listing.list_page(organisation, devices, size, query.get("cursor", ""))
        return Response(
            {"results": [describe_device(device) for device in found]},
            headers=build_next_page_link(request, cursor),
        )


def _find_groups(organisation: Organisation, names: Sequence[str]) -> list[DeviceGroup]:
    try:
        return listing.find_groups(organisation, names)
    except listing.UnknownGroup as error:
        raise ValidationError({"group": {str(error.position): [make_printable(error)]}}) from error
