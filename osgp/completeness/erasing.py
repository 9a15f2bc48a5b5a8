"""Erasing what the platform has of the customer behind a meter, for a time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from osgp.accounts.models import Organisation
from osgp.alarms.models import ReceivedPush
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.completeness.models import LONGEST_COMMENT, PERIODS, AcceptedGap
from osgp.devices.models import Device
from osgp.message_logs.models import MessageLog
from osgp.readings import clock
from osgp.readings.erasing import erase_values
from osgp.requests.deletion import delete
from osgp.requests.models import FINAL_STATES, Request


class StillAsked(Exception):
    """Requests for the device are not final: they could bring values back."""


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be."""

    values: int
    requests: int
    """With their results."""
    pushes: int
    message_logs: int

    @property
    def numbers(self) -> Mapping[str, int]:
        """By name."""
        return asdict(self)


class _Undone(Exception):
    pass


def erase(
    organisation: Organisation,
    device: Device,
    since: datetime,
    until: datetime,
    *,
    actor: str,
    reason: str,
    is_trial: bool = False,
) -> Erased:
    """Erase values whose intervals end in this time, both ends included, and what else may hold them.

    That is every final request of the device, of any organisation, every push and every logged message from
    ``since`` on: they may tell values of any time before. The gaps are accepted, with the reason, so that
    nobody fetches the values again. It is in the audit trail. With ``is_trial`` it is only counted.

    Raises StillAsked while requests for the device are not final.
    """
    found: list[Erased] = []
    try:
        with transaction.atomic():
            found.append(_erase(organisation, device, since, until, actor, reason))
            if is_trial:
                raise _Undone
    except _Undone:
        pass
    return found[0]


def _erase(
    organisation: Organisation, device: Device, since: datetime, until: datetime, actor: str, reason: str
) -> Erased:
    # Nobody visits the device, or stores what it pushes, before this has been committed.
    Device.objects.select_for_update().get(pk=device.pk)
    concerned = Q(device=device) | Q(actions__device=device)
    if Request.objects.filter(concerned).exclude(state__in=FINAL_STATES).exists():
        raise StillAsked
    final = Request.objects.filter(concerned, created_at__gte=since, state__in=FINAL_STATES).distinct()
    requests = list(final)
    for request in requests:
        delete(request)
    pushes, _ = ReceivedPush.objects.filter(device=device, received_at__gte=since).delete()
    logs, _ = MessageLog.objects.filter(device=device, at__gte=since).delete()
    erased = Erased(erase_values(device, since, until), len(requests), pushes, logs)
    AcceptedGap.objects.bulk_create(
        AcceptedGap(
            device=device,
            period=period,
            first_interval_end=since,
            last_interval_end=until,
            organisation=organisation,
            accepted_by=actor[:40],
            accepted_at=clock.now(),
            comment=f"Erased: {reason}"[:LONGEST_COMMENT],
        )
        for period, _ in PERIODS
    )
    record(
        AuditEvent.READINGS_ERASED,
        organisation=organisation.identification,
        actor=actor,
        device=device.identification,
        details={"from": since.isoformat(), "until": until.isoformat(), "reason": reason, **erased.numbers},
    )
    return erased
