"""Applying what a probe proposes."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from osgp.devices import setting_changes
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device
from osgp.devices.setting_changes import InvalidSettings
from osgp.faults import Fault, FaultCode
from osgp.installation.probing.findings import SELECTIVE_ACCESS, Finding, list_proposals


@transaction.atomic
def apply_findings(device_id: int, findings: Sequence[Finding]) -> dict[str, Any]:
    """Give a device what is proposed, from its next visit on; return that, by name.

    All of it or nothing. May be called again. Raises Fault 401 for what does not go together.
    """
    proposals = list_proposals(list(findings))
    settings = {name: value for name, value in proposals.items() if name in SETTINGS}
    try:
        if settings:
            setting_changes.change_device(device_id, settings)
    except InvalidSettings as error:
        raise Fault(FaultCode.VALIDATION_ERROR, f"What was found cannot be applied: {error}") from error
    if SELECTIVE_ACCESS in proposals:
        Device.objects.filter(pk=device_id).update(selective_access=bool(proposals[SELECTIVE_ACCESS]))
    return proposals
