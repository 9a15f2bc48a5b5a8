"""Complete the result of a meter with what the database knows; runs in a database lane."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from osgp.audit.context import Actor, acting
from osgp.devices.models import Device
from osgp.messages.operation import ConcludedOperation, ParameterValues
from osgp.requests.models import Request
from osgp.requests.work import WorkAction


@transaction.atomic
def conclude(
    operation: ConcludedOperation, action: WorkAction, parameters: ParameterValues, result: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the result of an action once its COSEM steps are done. Raises Fault."""
    request = Request.objects.select_related("organisation").get(pk=action.request.pk)
    device = Device.objects.get(pk=action.device.pk)
    actor = Actor(
        request.application, request.organisation.identification, correlation_uid=request.correlation_uid
    )
    with acting(actor):
        concluded: Mapping[str, Any] = operation.conclude(request.organisation, device, parameters, result)
    return concluded
