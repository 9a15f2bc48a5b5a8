"""The devices and requests that an organisation may see."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import QuerySet

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.messages.naming import BUNDLE
from osgp.requests.models import Action, Request
from osgp.requests.result_texts import is_whole, put_texts, with_texts

IDENTIFICATIONS_PER_QUERY = 500
TEXT_AT_ONCE = 512 * 1024
"""Characters of a result up to which it comes with its request; a larger one is fetched when it is sent."""
TEXT_AT_ONCE_IN_BUNDLE = 16 * 1024
"""The same of each result of a bundle."""


@dataclass(frozen=True)
class GrantedDevice:
    """A device that an organisation may see, with the function groups that it was granted on it."""

    device: Device
    groups: frozenset[str]

    def allows(self, granted_to: Collection[DeviceFunctionGroup]) -> bool:
        """Return whether the organisation has one of these groups, or OWNER."""
        return DeviceFunctionGroup.OWNER in self.groups or not self.groups.isdisjoint(granted_to)


def find_granted_devices(
    organisation: Organisation, identifications: Collection[str]
) -> dict[str, GrantedDevice]:
    """Find the devices among ``identifications`` that the organisation may see, with their gateways.

    One query per 500. Devices that it may not see are missing, like those that do not exist.
    """
    found: dict[str, tuple[Device, set[str]]] = {}
    wanted = list(identifications)
    for start in range(0, len(wanted), IDENTIFICATIONS_PER_QUERY):
        grants = DeviceAuthorisation.objects.filter(
            organisation=organisation,
            device__identification__in=wanted[start : start + IDENTIFICATIONS_PER_QUERY],
        ).select_related("device__gateway")
        for authorisation in grants:
            device = authorisation.device
            found.setdefault(device.identification, (device, set()))[1].add(authorisation.function_group)
    return {
        identification: GrantedDevice(device, frozenset(groups))
        for identification, (device, groups) in found.items()
    }


def find_requests(organisation: Organisation) -> QuerySet[Request]:
    """Return the requests of an organisation, latest first."""
    return Request.objects.filter(organisation=organisation).order_by("-created_at", "-pk")


def filter_by_batch(rows: QuerySet[Request], uid: uuid.UUID) -> QuerySet[Request]:
    """Return those of ``rows`` that belong to a batch, latest first.

    Two queries: after a join, the database would sort the requests for each page instead of reading them in
    order from the index ``request_of_batch``.
    """
    batch = Request._meta.get_field("batch").related_model._default_manager.filter(uid=uid)
    key = batch.values_list("pk", flat=True).first()
    return rows.none() if key is None else rows.filter(batch=key)


@dataclass(frozen=True)
class RequestOutcome:
    """A request with its actions, in order; exactly one unless it is a bundle."""

    request: Request
    actions: tuple[Action, ...]

    @property
    def is_whole(self) -> bool:
        """Of an outcome as text: whether nothing of it has to be fetched yet."""
        return is_whole(self.actions)


EVERY_ACTION = slice(None)


def find_outcome(
    organisation: Organisation,
    message: str,
    correlation_uid: uuid.UUID,
    positions: slice = EVERY_ACTION,
    *,
    as_text: bool = False,
) -> RequestOutcome | None:
    """Find a request of a message with its actions, in one query; None if the organisation has none.

    ``positions`` selects actions of a bundle; also None if the request has none of these. ``as_text``: the
    results are each an ``osgp.requests.result_texts.ResultText``, for ``write_json``.
    """
    found = Action.objects.filter(
        request__correlation_uid=correlation_uid,
        request__organisation=organisation,
        request__message=message,
    )
    related = ("request", "device") if message == BUNDLE else ("request",)
    rows = found.select_related(*related).defer("parameters").order_by("position")
    if as_text:
        most = TEXT_AT_ONCE_IN_BUNDLE if message == BUNDLE else TEXT_AT_ONCE
        actions = tuple(with_texts(rows, most)[positions])
        put_texts(actions, most)
    else:
        actions = tuple(rows[positions])
    return RequestOutcome(actions[0].request, actions) if actions else None
