"""Requests that are given up because the worker that carries them out dies every time."""

from collections.abc import Collection

from osgp.faults import Component, Fault, FaultCode
from osgp.requests.models import Request
from osgp.system_notes.keeping import keep_if_possible
from osgp.system_notes.kinds import QUARANTINE
from osgp.system_notes.observations import Noticed, Observation

QUARANTINED = Fault(
    FaultCode.UNABLE_TO_PROCESS_REQUEST,
    "The request was given up: the worker that carried it out died every time.",
    component=Component.CORE,
).as_dict()


def keep_notes(request_ids: Collection[int]) -> None:
    """Keep a note of each request that was just given up, with its device or its meter.

    Belongs into the transaction that gives them up. Raises errors only if the database is away: dispatchers
    must go on giving up requests, or these kill worker after worker.
    """
    # In the order of devices, whose rows are locked.
    given_up = Request.objects.filter(pk__in=request_ids).order_by("device", "pk")
    for request in given_up if request_ids else ():
        device_id = request.device_id or request.meter_id
        if device_id is not None:
            keep_if_possible(device_id, _observe(request), request.correlation_uid, request.message)


def _observe(request: Request) -> Observation:
    return Observation(
        QUARANTINE,
        Noticed(
            f"{request.message} was given up: the worker that carried it out died {request.crashes} times.",
            "Look for the cause in the logs of the workers, and report it. The request is not tried again: "
            "send it anew once the cause is found.",
            {
                "correlation_uid": str(request.correlation_uid),
                "message": request.message,
                "crashes": request.crashes,
            },
        ),
    )
