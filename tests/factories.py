"""Rows that tests need, made by plain functions: every argument has a default that works."""

import ipaddress
import itertools
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup, Scope
from osgp.accounts.models import ApiToken, DeviceAuthorisation, Organisation
from osgp.devices.models import CommunicationMethod, Device, DeviceType, LifecycleStatus
from osgp.requests.models import Action, Request, RequestState

if TYPE_CHECKING:
    from osgp.accounts.caller import Caller


def make_organisation(identification: str = "UTILITY", **fields: Any) -> Organisation:
    """An enabled organisation."""
    return Organisation.objects.create(
        identification=identification, **{"name": identification.title()} | fields
    )


def grant(organisation: Organisation, device: Device, *groups: DeviceFunctionGroup | str) -> None:
    """Let an organisation use function groups (OWNER unless told) on a device."""
    for group in groups or (DeviceFunctionGroup.OWNER,):
        DeviceAuthorisation.objects.create(organisation=organisation, device=device, function_group=group)


_hosts = itertools.count(1)


def make_address(host: int | None = None) -> str:
    """An address of this machine at which nobody listens, another one each time unless told."""
    number = next(_hosts) if host is None else host
    return str(ipaddress.ip_address("127.0.0.0") + (1 << 16) + number)


def make_device(
    identification: str = "E0000000000000001", *, owner: Organisation | None = None, **fields: Any
) -> Device:
    """An SMR 5.1 electricity meter with an address of its own; ``owner`` gets the OWNER group on it."""
    device = Device.objects.create(
        identification=identification,
        **{
            "device_type": DeviceType.SMART_METER_E,
            "lifecycle_status": LifecycleStatus.IN_USE,
            "protocol_name": "SMR",
            "protocol_version": "5.1",
            "communication_method": CommunicationMethod.ETHERNET,
            "network_address": make_address(),
        }
        | fields,
    )
    if owner is not None:
        grant(owner, device)
    return device


def make_gas_meter(
    identification: str = "G0000000000000001",
    *,
    gateway: Device | None,
    channel: int | None = 1,
    owner: Organisation | None = None,
    **fields: Any,
) -> Device:
    """A gas meter on an M-Bus channel of ``gateway``; it has no network address of its own."""
    return make_device(
        identification,
        owner=owner,
        **{
            "device_type": DeviceType.SMART_METER_G,
            "gateway": gateway,
            "channel": channel,
            "network_address": "",
        }
        | fields,
    )


def make_token(
    organisation: Organisation,
    *,
    application: str = "portal",
    scopes: list[str] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """The secret of a new API token; all scopes unless told."""
    _, secret = ApiToken.issue(organisation, application, scopes=scopes, expires_at=expires_at)
    return secret


def make_caller(
    organisation: Organisation, *, application: str = "portal", scopes: frozenset[str] | None = None
) -> "Caller":
    """An application of an organisation, as authentication would give it; all scopes unless told."""
    from osgp.accounts.caller import Caller

    every_scope = frozenset(str(scope) for scope in Scope)
    return Caller(organisation, application, every_scope if scopes is None else scopes)


def make_request(
    organisation: Organisation,
    device: Device,
    message: str = "SynchronizeTime",
    *,
    parameters: dict[str, Any] | None = None,
    **fields: Any,
) -> Request:
    """A stored request with its one action, due now, put in place without validation."""
    now = timezone.now()
    with transaction.atomic():  # A dispatcher must not see a request without its action.
        request = Request.objects.create(
            organisation=organisation,
            message=message,
            device=device,
            device_identification=device.identification,
            **{
                "application": "portal",
                "meter": device.gateway or device,
                "state": RequestState.QUEUED,
                "due_at": now,
                "created_at": now,
            }
            | fields,
        )
        Action.objects.create(request=request, message=message, device=device, parameters=parameters or {})
    return request
