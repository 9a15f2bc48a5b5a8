"""What the platform makes of a meter's answer with the help of its database; runs in a database lane."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from osgp.devices.models import Device
from osgp.messages.operation import ConcludedOperation, ParameterValues
from osgp.requests.models import Request
from osgp.requests.work import WorkAction


@transaction.atomic
def conclude(
    operation: ConcludedOperation, action: WorkAction, parameters: ParameterValues, result: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The result of an action whose steps with the meter are done. Raises Fault."""
    request = Request.objects.select_related("organisation").get(pk=action.request.pk)
    device = Device.objects.get(pk=action.device.pk)
    concluded: Mapping[str, Any] = operation.conclude(request.organisation, device, parameters, result)
    return concluded
