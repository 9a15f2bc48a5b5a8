"""The work of a visit as plain values: its meter, and actions with their requests and devices.

Model instances would cost a visit more CPU than the exchange with the meter.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from osgp.devices.meter_settings import MeterSettings
from osgp.devices.models import Device, SettingsKind, SharedSettings
from osgp.devices.settings_resolution import resolve_stored
from osgp.messages.naming import BUNDLE
from osgp.requests.endpoints import make_endpoint
from osgp.requests.models import Action, ActionState, Request
from osgp.sql import Statement, parse_json, parse_uuid


@dataclass(frozen=True, slots=True)
class WorkDevice:
    """The device of an action; see osgp.devices.models.Device for the fields.

    The objects of an M-Bus device are in its gateway: protocol, time zone and access are the gateway's.
    """

    pk: int
    identification: str
    protocol_name: str
    protocol_version: str
    time_zone: str
    channel: int | None
    polyphase: bool
    selective_access: bool
    model: str
    communication_method: str
    gateway_id: int | None
    is_debugged: bool


@dataclass(frozen=True, slots=True)
class VisitedRequest:
    """What a visit has to know of a request, from its beginning to its end."""

    pk: int
    correlation_uid: uuid.UUID
    message: str
    attempts: int
    bypass_retry: bool
    effective_priority: int

    @property
    def is_bundle(self) -> bool:
        """Whether its actions have outcomes of their own."""
        return self.message == BUNDLE


@dataclass(frozen=True, slots=True)
class WorkRequest(VisitedRequest):
    """A request that runs in ``session_id``."""

    session_id: uuid.UUID


@dataclass(slots=True)
class WorkAction:
    """An action without an outcome yet."""

    pk: int
    message: str
    parameters: dict[str, Any]
    state: str
    request: WorkRequest
    device: WorkDevice
    has_partial_result: bool = False
    """Whether earlier attempts got part of its result before the meter was lost."""
    partial_result: dict[str, Any] | None = None
    """That part, once it is its turn: hundreds of them would be too much to hold at a time."""


@dataclass(frozen=True, slots=True)
class WorkMeter:
    """The meter that is dialled; see osgp.devices.models.Device for the fields."""

    pk: int
    identification: str
    network_address: str
    port: int
    logical_device_address: int
    framing: str
    security: str
    challenge_length: int
    is_debugged: bool
    protocol_name: str
    protocol_version: str
    failed_connections: int
    system_title: str
    is_announced: bool
    """Whether ``network_address`` was only announced."""
    knowledge_digest: str | None
    """Of what was learned of it."""
    knowledge_checked: str | None
    """When it was asked for what, as JSON."""
    is_slow: bool
    """Whether its last visit took long for what came of it."""
    settings: MeterSettings
    """How to talk to it."""

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "WorkMeter":
        """Make a meter from a row of ``METER_COLUMNS``."""
        values: list[Any] = [*row[:-4], resolve_stored(*row[-4:])]
        return cls(*values)

    @property
    def endpoint(self) -> str:
        """Where it is dialled, as leases name it."""
        return make_endpoint(self.network_address, self.port, self.logical_device_address)


COLUMNS = """
           a.partial_result IS NOT NULL, a.id, a.message, a.parameters, a.state,
           r.id, r.correlation_uid, r.message, r.attempts, r.bypass_retry, r.effective_priority,
           d.id, d.identification, m.protocol_name, m.protocol_version, m.time_zone, d.channel,
           m.polyphase, m.selective_access, d.model, m.communication_method, d.gateway_id,
           d.debugging_until > {now}
    """
"""Columns of an action, its request and its device, for :func:`group_actions`."""
ORDER = "r.effective_priority DESC, r.due_at, r.id, a.position"

_ACTIONS = Statement(
    f"""
    SELECT {COLUMNS}
      FROM {Action._meta.db_table} a
      JOIN {Request._meta.db_table} r ON r.id = a.request_id
      JOIN {Device._meta.db_table} d ON d.id = COALESCE(a.device_id, r.meter_id)
      JOIN {Device._meta.db_table} m ON m.id = COALESCE(d.gateway_id, d.id)
     WHERE r.session_id = %s AND r.state = 'RUNNING' AND a.state IN ('PENDING', 'STARTED')
     ORDER BY {ORDER}
    """  # noqa: S608 (table names)
)

_SHARED = SharedSettings._meta.db_table
METER_COLUMNS = f"""
           d.id, d.identification, COALESCE(NULLIF(d.announced_address, ''), d.network_address), d.port,
           d.logical_device_address, d.transport,
           d.security, d.challenge_length, COALESCE(d.debugging_until > {{now}}, FALSE),
           d.protocol_name, d.protocol_version, d.failed_connections, d.system_title,
           d.announced_address <> '', d.knowledge_id, CAST(d.knowledge_checked AS TEXT), d.is_slow,
           CAST(d.own_settings AS TEXT), d.with_list_max,
           (SELECT CAST(s.settings AS TEXT) FROM {_SHARED} s
             WHERE s.kind = '{SettingsKind.MODEL}' AND s.name = d.model),
           (SELECT CAST(s.settings AS TEXT) FROM {_SHARED} s
             WHERE s.kind = '{SettingsKind.PROFILE}'
               AND s.name = d.protocol_name || '-' || d.protocol_version)
    """  # noqa: S608 (table name)
"""Columns of a meter, for :meth:`WorkMeter.from_row`."""
METER_COLUMN_COUNT = 21
_METER = Statement(f"SELECT {METER_COLUMNS} FROM {Device._meta.db_table} d WHERE d.id = %s")  # noqa: S608


def list_unfinished(session_id: uuid.UUID) -> list[list[WorkAction]]:
    """List the unfinished actions of the requests that run in a meter session, a list per request.

    Requests are in the order of priority and age, actions in the order of the request.
    """
    return group_actions(session_id, _ACTIONS.fetch_rows(session_id))


def group_actions(session_id: uuid.UUID, rows: Iterable[Sequence[Any]]) -> list[list[WorkAction]]:
    """Make actions from rows of ``COLUMNS`` in ``ORDER``; return a list per request."""
    requests: dict[int, WorkRequest] = {}
    found: dict[int, list[WorkAction]] = defaultdict(list)
    for has_partial_result, *row in rows:
        action_id, message, parameters, state, request_id, uid, asked, attempts, bypass, priority = row[:10]
        device_id, identification, name, version, zone, channel, *rest = row[10:]
        polyphase, selective, model, communication, gateway_id, is_debugged = rest
        if request_id not in requests:
            requests[request_id] = WorkRequest(
                request_id, parse_uuid(uid), asked, attempts, bool(bypass), priority, session_id
            )
        device = WorkDevice(
            device_id,
            identification,
            name,
            version,
            zone,
            channel,
            bool(polyphase),
            bool(selective),
            model,
            communication,
            gateway_id,
            bool(is_debugged),
        )
        found[request_id].append(
            WorkAction(
                action_id,
                message,
                parse_json(parameters),
                state,
                requests[request_id],
                device,
                bool(has_partial_result),
            )
        )
    return list(found.values())


def find_retryable_fault(request_id: int) -> dict[str, Any] | None:
    """Find the first retryable fault among the outcomes of a request; None if there is none."""
    faulty = Action.objects.filter(request=request_id, state=ActionState.FAULT, fault__retryable=True)
    return faulty.order_by("position").values_list("fault", flat=True).first()


def load_partial_result(action_id: int) -> dict[str, Any] | None:
    """Load what earlier attempts got of the result of an action."""
    return Action.objects.filter(pk=action_id).values_list("partial_result", flat=True).first()


def load_meter(meter_id: int) -> WorkMeter:
    """Load the meter to dial."""
    [row] = _METER.fetch_rows(meter_id)
    return WorkMeter.from_row(row)
