"""Calls that failed, in the logs of the devices that they were for, whether these are debugged or not.

Nothing else says of a call without an association what it was for: a request that is tried again refers to
its last visit only.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from osgp import platform_time
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.processes.database import AWAY
from osgp.protocol_dlms import Step, Traffic
from osgp.requests.concerned import ConcernedRequest
from osgp.requests.states.tables import ACTIONS
from osgp.requests.work import WorkMeter
from osgp.sql import Statement, format_moment

logger = logging.getLogger(__name__)

# Each visit that fails ends with these.
_INSERT = Statement(
    f"""
    INSERT INTO {MessageLog._meta.db_table}
           (device_id, session_id, number, at, direction, message, correlation_uid, service, length, apdu,
            description, failed_call)
    VALUES (%s, %s, %s, %s, '{MessageDirection.FAILED}', %s, %s, '', 0, '', %s, %s)
    """  # noqa: S608 (table name)
)
_DEVICES_OF_BUNDLES = Statement(
    f"SELECT DISTINCT device_id, request_id FROM {ACTIONS} WHERE request_id {{among}}"  # noqa: S608
)
MOST_REQUESTS = 100
"""Requests that an entry names; a call may carry hundreds."""
TEXTS: Mapping[Step, str] = {
    Step.PREPARATION: "Nothing was dialled: the call could not be prepared",
    Step.CONNECTION: "No connection",
    Step.DATA_LINK: "No data link",
    Step.ASSOCIATION: "No association",
    Step.AUTHENTICATION: "The authentication failed",
    Step.INVOCATION_COUNTER: "The invocation counter could not be read",
    Step.KEY_RECOVERY: "A change of keys could not be finished",
    Step.EXCHANGE: "The association ended early",
}


@dataclass(frozen=True)
class FailedCall:
    """A call that ended with ``fault``, at a step, and the ``requests`` that it was to carry out.

    ``traffic`` is what went over the line until then.
    """

    session_id: uuid.UUID
    meter: WorkMeter
    step: Step
    fault: Mapping[str, Any]
    traffic: Traffic
    requests: Sequence[ConcernedRequest]


def store(call: FailedCall, number: int) -> None:
    """Store the call in the log of its meter, and in those of the M-Bus devices that it was for.

    ``number`` follows the messages of the visit. Belongs into the transaction that closes the meter session.
    Raises errors only if the database is away: a failure of the log must not keep a visit from ending.
    """
    try:
        with transaction.atomic():
            for device_id, requests in _find_logs(call).items():
                _INSERT.execute(*_make_row(call, number, device_id, requests))
    except AWAY:
        raise
    except Exception:
        logger.exception("meter session %s: a failed call could not be logged", call.session_id)


def _find_logs(call: FailedCall) -> Mapping[int, Sequence[ConcernedRequest]]:
    """Return the devices whose logs the call belongs to, each with the requests that concern it."""
    by_key = {request.pk: request for request in sorted(call.requests, key=lambda request: request.pk)}
    concerned = {(request.device_id, request.pk) for request in call.requests}
    if bundles := [request.pk for request in call.requests if request.is_bundle]:
        concerned |= set(_DEVICES_OF_BUNDLES.fetch_rows(bundles))
    logs: defaultdict[int, list[ConcernedRequest]] = defaultdict(list)
    for device_id, request_id in sorted(concerned, key=lambda pair: pair[1]):
        if device_id is not None and device_id != call.meter.pk:
            logs[device_id].append(by_key[request_id])
    return {call.meter.pk: list(by_key.values()), **logs}


def _make_row(
    call: FailedCall, number: int, device_id: int, requests: Sequence[ConcernedRequest]
) -> tuple[Any, ...]:
    """The parameters of _INSERT."""
    only = requests[0] if len(requests) == 1 else None
    fault, meter, traffic = call.fault, call.meter, call.traffic
    description = [
        f"{TEXTS[call.step]}: {fault['message']}",
        f"{fault['code']} {fault['name']}, at the step {call.step}",
        f"{meter.network_address or 'no address'} port {meter.port}, logical device "
        f"{meter.logical_device_address}",
        f"{traffic.round_trips} round trips, {traffic.bytes_sent} octets sent, "
        f"{traffic.bytes_received} received",
    ]
    return (
        device_id,
        call.session_id,
        number,
        format_moment(platform_time.now()),
        only.message if only else "",
        only.correlation_uid if only else None,
        "\n".join(description),
        {
            "step": call.step,
            "network_address": meter.network_address,
            "port": meter.port,
            "logical_device_address": meter.logical_device_address,
            "fault": {**fault},
            **asdict(traffic),
            "request_count": len(requests),
            "requests": [
                {
                    "correlation_uid": str(request.correlation_uid),
                    "message": request.message,
                    "attempt": request.attempts,
                }
                for request in requests[:MOST_REQUESTS]
            ],
        },
    )
