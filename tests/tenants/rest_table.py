"""The lines of the matrix: for each URL and method of the REST API, what others get of an organisation's.

The lines of messages and their outcomes are derived from the registry (test_messages.py). In a line,
``$batch`` stands for what the organisation calls so (estate.py), and then for something of the kind that is
nowhere: both have to be answered alike.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from osgp.accounts.functions import DeviceFunctionGroup as Group
from osgp.accounts.functions import Scope

EVERY_GROUP = frozenset(Group)
NOBODY: frozenset[Group] = frozenset()
READERS = frozenset({Group.OWNER, Group.MONITORING})
ALARM_READERS = frozenset({Group.OWNER, Group.MONITORING, Group.MANAGEMENT})
MANAGERS = frozenset({Group.OWNER, Group.MANAGEMENT})
OWNERS = frozenset({Group.OWNER})
AD_HOC = frozenset({Group.OWNER, Group.AD_HOC})
"""Who may send the message of the bodies below."""


@dataclass(frozen=True)
class Call:
    """One call: ``own`` is the status for the organisation itself, ``foreign`` that for others."""

    own: int
    foreign: int
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    shows: bool = True
    """Whether the organisation's own answer has something of it: else nothing could be found in others'."""
    opened_by: Collection[Group] | None = None
    """Instead of what the line says."""


@dataclass(frozen=True)
class Line:
    """One URL and method: the scopes that it needs, and the function groups of the device that open it."""

    scopes: tuple[Scope, ...]
    calls: tuple[Call, ...]
    path: Mapping[str, str] = field(default_factory=dict)
    opened_by: Collection[Group] = NOBODY
    """Who has one of these on the device gets what the owner gets, all others what strangers get, or 403."""
    paged: bool = False
    """Whether the organisation has a second page of it, whose cursor strangers try."""


@dataclass(frozen=True)
class Public:
    """A URL that needs no token of the API; ``why`` it tells nothing of an organisation."""

    statuses: Collection[int]
    why: str


READ = (Scope.READ,)
BY_UID = {"uid": "$endpoint"}
BY_SCHEDULE = {"schedule_id": "$schedule"}
SCHEDULE = {
    "name": "another",
    "message": "SynchronizeTime",
    "parameters": {},
    "every": 15,
    "period": "minutes",
}
RULE = {"name": "$rule", "alarm_type": "POWER_UP", "message": "SynchronizeTime"}
TO_METER = {"message": "SynchronizeTime", "device_identifications": ["$meter"]}
TO_BOTH = TO_METER | {"device_identifications": ["$meter", "$stranger_meter"]}
TO_GROUP = {"message": "SynchronizeTime", "device_group": "$group"}
TIME = {"from": "2026-01-01T00:00:00Z", "until": "2090-01-01T00:00:00Z", "states": ["FAILED"]}
DAY = {"from": "$first_day"}


def _steers(own: int, *scopes: Scope, **path: str) -> Line:
    """A POST without a body to something of the organisation."""
    return Line(scopes, (Call(own, 404),), path=path)


def _endpoint(own: int, body: Any = None, query: Mapping[str, Any] | None = None, **options: Any) -> Line:
    return Line((Scope.NOTIFICATION,), (Call(own, 404, query or {}, body, **options),), path=BY_UID)


LINES: dict[tuple[str, str], Line | Public] = {
    # --- Requests ---
    ("api/v1/requests/", "get"): Line(
        READ,
        (
            Call(200, 200),
            Call(200, 200, {"device": "$meter"}),
            Call(200, 200, {"batch": "$batch"}),
            Call(200, 200, {"status": "FAILED", "message": "SynchronizeTime"}),
        ),
        paged=True,
    ),
    ("api/v1/requests/<str:correlation_uid>/cancel/", "post"): _steers(
        200, Scope.MONITORING, correlation_uid="$request_queued"
    ),
    # --- Batches ---
    ("api/v1/requests/batch/", "get"): Line(
        READ, (Call(200, 200), Call(200, 200, {"status": "COMPLETED"})), paged=True
    ),
    ("api/v1/requests/batch/", "post"): Line(
        (Scope.ADHOC,),
        (
            Call(202, 400, body=TO_METER, opened_by=AD_HOC),
            Call(202, 400, body=TO_METER | {"skip_invalid": True}, opened_by=AD_HOC),
            Call(202, 202, body=TO_BOTH | {"skip_invalid": True}, opened_by=AD_HOC),
            Call(202, 400, body=TO_GROUP),
        ),
    ),
    ("api/v1/requests/batch/<str:uid>/", "get"): Line(READ, (Call(200, 404),), {"uid": "$batch"}),
    ("api/v1/requests/batch/<str:uid>/skipped/", "get"): Line(
        READ, (Call(200, 404),), {"uid": "$batch"}, paged=True
    ),
    ("api/v1/requests/batch/<str:uid>/cancel/", "post"): _steers(200, Scope.ADHOC, uid="$running_batch"),
    ("api/v1/requests/batch/<str:uid>/retry-failed/", "post"): Line(
        (Scope.ADHOC,), (Call(202, 404, shows=False),), {"uid": "$batch"}
    ),
    # --- Schedules ---
    ("api/v1/schedules/", "get"): Line(
        READ, (Call(200, 200), Call(200, 200, {"name": "$schedule_name"})), paged=True
    ),
    ("api/v1/schedules/", "post"): Line(
        (Scope.ADHOC,),
        (
            Call(201, 400, body=SCHEDULE | {"device_identifications": ["$meter"]}, opened_by=AD_HOC),
            Call(201, 400, body=SCHEDULE | {"device_group": "$group"}),
        ),
    ),
    ("api/v1/schedules/preview/", "post"): Line(
        (Scope.ADHOC,),
        (
            Call(
                200,
                400,
                body=SCHEDULE | {"device_identifications": ["$meter"]},
                shows=False,
                opened_by=AD_HOC,
            ),
            Call(200, 400, body=SCHEDULE | {"device_group": "$group"}, shows=False),
        ),
    ),
    ("api/v1/schedules/<str:schedule_id>/", "get"): Line(READ, (Call(200, 404),), BY_SCHEDULE),
    ("api/v1/schedules/<str:schedule_id>/", "put"): Line(
        (Scope.ADHOC,),
        (Call(200, 404, body=SCHEDULE | {"device_group": "$group"}),),
        BY_SCHEDULE,
    ),
    ("api/v1/schedules/<str:schedule_id>/", "delete"): Line(
        (Scope.ADHOC,), (Call(204, 404, shows=False),), BY_SCHEDULE
    ),
    ("api/v1/schedules/<str:schedule_id>/pause/", "post"): _steers(200, Scope.ADHOC, **BY_SCHEDULE),
    ("api/v1/schedules/<str:schedule_id>/resume/", "post"): _steers(200, Scope.ADHOC, **BY_SCHEDULE),
    ("api/v1/schedules/<str:schedule_id>/occurrences/", "get"): Line(
        READ, (Call(200, 404),), BY_SCHEDULE, paged=True
    ),
    # --- Readings ---
    ("api/v1/readings/", "get"): Line(
        READ,
        (
            Call(200, 200),
            Call(200, 404, {"device": "$meter"}),
            Call(200, 200, {"format": "csv"}),
            Call(200, 404, {"format": "csv", "device": "$meter"}),
            Call(200, 200, {"format": "parquet"}),
        ),
        opened_by=READERS,
        paged=True,
    ),
    ("api/v1/readings/completeness/", "get"): Line(
        READ,
        tuple(
            Call(200, 200, {"by": by}, shows=by in ("organisation", "group"))
            for by in ("organisation", "network", "profile", "group")
        ),
    ),
    ("api/v1/readings/missing/", "get"): Line(
        READ,
        (
            Call(200, 200),
            Call(200, 404, {"device": "$meter"}),
            Call(200, 400, {"group": "$group"}, opened_by=NOBODY),
        ),
        opened_by=READERS,
    ),
    ("api/v1/readings/missing/fetch/", "post"): Line(
        (Scope.MONITORING,),
        (
            Call(202, 404, body=DAY | {"device": ["$meter"]}),
            Call(202, 400, body=DAY | {"group": "$group"}, opened_by=NOBODY),
        ),
        opened_by=READERS,
    ),
    ("api/v1/readings/missing/accept/", "post"): Line(
        (Scope.MONITORING,),
        (Call(200, 404, body=DAY | {"device": ["$meter"], "comment": "none"}, shows=False),),
        opened_by=READERS,
    ),
    # --- Alarms ---
    ("api/v1/alarms/", "get"): Line(
        READ,
        (
            Call(200, 200),
            Call(200, 200, {"device": "$meter"}),
            Call(200, 200, {"network": "$network", "alarm_type": "POWER_UP"}),
        ),
        opened_by=ALARM_READERS,
        paged=True,
    ),
    ("api/v1/alarms/<str:uid>/", "get"): Line(
        READ, (Call(200, 404),), {"uid": "$alarm"}, opened_by=ALARM_READERS
    ),
    ("api/v1/alarms/acknowledge/", "post"): Line(
        (Scope.MANAGEMENT,),
        (
            Call(200, 200, body={"alarms": ["$alarm"]}, shows=False),
            Call(200, 200, body={"filter": {"device": ["$meter"]}}, shows=False),
            Call(200, 200, body={"filter": {}}, shows=False),
        ),
        opened_by=MANAGERS,
    ),
    ("api/v1/alarms/rules/", "get"): Line(READ, (Call(200, 200),)),
    ("api/v1/alarms/rules/", "post"): Line(
        (Scope.MANAGEMENT, Scope.ADHOC), (Call(201, 201, body=RULE | {"name": "another"}, shows=False),)
    ),
    ("api/v1/alarms/rules/<path:name>/", "get"): Line(READ, (Call(200, 404),), {"name": "$rule"}),
    ("api/v1/alarms/rules/<path:name>/", "put"): Line(
        (Scope.MANAGEMENT, Scope.ADHOC), (Call(200, 404, body=RULE),), {"name": "$rule"}
    ),
    ("api/v1/alarms/rules/<path:name>/", "delete"): Line(
        (Scope.MANAGEMENT,), (Call(204, 404, shows=False),), {"name": "$rule"}
    ),
    # --- Webhooks ---
    ("api/v1/notifications/endpoints/", "get"): Line(READ, (Call(200, 200),), paged=True),
    ("api/v1/notifications/endpoints/", "post"): Line(
        (Scope.NOTIFICATION,), (Call(201, 201, body={"url": "https://new.example/hook"}, shows=False),)
    ),
    ("api/v1/notifications/endpoints/<str:uid>/", "get"): Line(READ, (Call(200, 404),), BY_UID),
    ("api/v1/notifications/endpoints/<str:uid>/", "patch"): _endpoint(200, {"description": "taken"}),
    ("api/v1/notifications/endpoints/<str:uid>/", "delete"): _endpoint(204, shows=False),
    ("api/v1/notifications/endpoints/<str:uid>/test/", "post"): _endpoint(202, shows=False),
    ("api/v1/notifications/endpoints/<str:uid>/pause/", "post"): _endpoint(200),
    ("api/v1/notifications/endpoints/<str:uid>/resume/", "post"): _endpoint(200),
    ("api/v1/notifications/endpoints/<str:uid>/rotate-secret/", "post"): _endpoint(200, {}, shows=False),
    ("api/v1/notifications/endpoints/<str:uid>/replay/", "post"): _endpoint(200, TIME, shows=False),
    ("api/v1/notifications/endpoints/<str:uid>/deliveries/", "get"): Line(
        READ, (Call(200, 404),), BY_UID, paged=True
    ),
    ("api/v1/notifications/endpoints/<str:uid>/deliveries/<int:delivery_id>/replay/", "post"): _steers(
        200, Scope.NOTIFICATION, uid="$endpoint", delivery_id="$delivery"
    ),
    ("api/v1/notifications/response-url-secret/", "get"): Line(READ, (Call(200, 200, shows=False),)),
    ("api/v1/notifications/response-url-secret/", "post"): Line(
        (Scope.NOTIFICATION,), (Call(200, 200, body={}, shows=False),)
    ),
    # --- Devices ---
    ("api/v1/devices/<str:identification>/", "get"): Line(
        READ, (Call(200, 404),), {"identification": "$meter"}, opened_by=EVERY_GROUP
    ),
    ("api/v1/devices/<str:identification>/", "patch"): Line(
        (Scope.MANAGEMENT,),
        (Call(200, 404, body={"attempts": 5}),),
        {"identification": "$meter"},
        opened_by=OWNERS,
    ),
    ("api/v1/management/devices/", "get"): Line(
        READ,
        (
            Call(200, 200),
            Call(200, 200, {"device": "$meter"}),
            Call(200, 200, {"device": "$gas_meter"}),
            Call(200, 400, {"group": "$group"}, opened_by=NOBODY),
        ),
        opened_by=EVERY_GROUP,
        paged=True,
    ),
    ("api/v1/management/message-logs/", "get"): Line(
        READ, (Call(200, 404, {"device": "$meter"}),), opened_by=MANAGERS, paged=True
    ),
    ("api/v1/system-notes/", "get"): Line(
        READ,
        (Call(200, 200), Call(200, 200, {"device": "$meter"}), Call(200, 200, {"state": "ALL"})),
        opened_by=EVERY_GROUP,
        paged=True,
    ),
    # --- Audit trail ---
    ("api/v1/audit/", "get"): Line(
        (Scope.ADMIN,),
        (
            Call(200, 200),
            Call(200, 200, {"device": "$meter"}),
            Call(200, 200, {"format": "csv"}),
            Call(200, 200, {"format": "ndjson"}),
        ),
        paged=True,
    ),
    # --- Keys of applications ---
    ("api/v1/applications/<path:name>/public-key/", "get"): Line(
        (Scope.ADMIN,), (Call(200, 404),), {"name": "$application"}
    ),
    ("api/v1/applications/<path:name>/public-key/", "put"): Line(
        (Scope.ADMIN,), (Call(200, 201, body={"public_key": "$public_key"}),), {"name": "$application"}
    ),
    ("api/v1/applications/<path:name>/public-key/", "delete"): Line(
        (Scope.ADMIN,), (Call(204, 404, shows=False),), {"name": "$application"}
    ),
    ("api/v1/configuration/public-key/", "get"): Line((), (Call(200, 200, shows=False),)),
    # --- Of nobody ---
    ("api/v1/schema/", "get"): Public((200,), "The same for all callers."),
    ("api/v1/docs/", "get"): Public((200,), "The same for all callers."),
    ("api/v1/events/", "get"): Public((501,), "Says who serves it (tests/stream/test_tenants.py)."),
    ("healthz", "get"): Public((200,), "Says that the process lives."),
    ("readyz", "get"): Public((200, 503), "Says which services answer."),
}
"""``/metrics`` has a test of its own, for its callers are no organisations."""


KNOWN_TO_SHARED_READERS = {
    ("api/v1/readings/", "get"): "Deliveries do not know whose request it was; `received_by` has its UID.",
    ("api/v1/readings/missing/", "get"): "The reason of a gap has the UID of the request, whosever it was.",
}
"""What tells grantees the correlation UIDs of others' requests, which open nothing, and why it still does."""


def resolve(template: Any, names: Mapping[str, str]) -> Any:
    """Return a path, query or body with names in place of ``$…``."""
    if isinstance(template, str):
        return names[template[1:]] if template.startswith("$") else template
    if isinstance(template, Mapping):
        return {key: resolve(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [resolve(value, names) for value in template]
    return template
