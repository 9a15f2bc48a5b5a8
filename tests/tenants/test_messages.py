"""Each registered message, as others send it to an organisation's devices and ask for its outcome.

There is one rule for all messages: a device of others is unknown (201), and so is a correlation UID (405).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup, Scope
from osgp.bundle.bundle import Bundle
from osgp.catalogue import Profile
from osgp.faults import Fault
from osgp.fleet.contents import may_be_batch_action, may_be_batched
from osgp.messages.operation import MeterOperation, Operation
from osgp.messages.registry import list_operations
from osgp.requests.answers import build_route_name
from osgp.requests.api import messages as message_views
from tests.installation.bodies import e_meter, gas_meter
from tests.messages.bodies import make_bodies
from tests.tenants.calls import Prepared, describe, nothing_stored
from tests.tenants.estate import choose_profile
from tests.tenants.rest_table import SCHEDULE
from tests.tenants.traces import read_answer
from tests.tenants.world import STRANGER_METER, World, invent

OPERATIONS = {operation.message: operation for operation in list_operations()}
UNKNOWN_UID = "00000000-0000-4000-8000-000000000000"
KNOWN = {"AddDevice": "An identification is given once on the platform: 204 or 301 says that it is taken."}
"""Messages that tell of others' devices, and why."""

PLATFORM_PARAMETERS: dict[str, Callable[[], dict[str, Any]]] = {
    "AddDevice": e_meter,
    "UpdateProtocol": lambda: {"protocol_name": "SMR", "protocol_version": "5.1"},
}
"""Of messages whose parameters are texts that only the platform's own rows give a meaning."""

every_message = pytest.mark.parametrize("message", OPERATIONS)


@cache
def make_parameters(message: str) -> dict[str, Any]:
    """Parameters with which the device of the estate can do it; those of a bundle are one action."""
    operation = OPERATIONS[message]
    if isinstance(operation, Bundle):
        return {"actions": [{"message": "ActualMeterReads"}]}
    if message in PLATFORM_PARAMETERS:
        return PLATFORM_PARAMETERS[message]()
    bodies = list(make_bodies(operation, datetime.now(UTC)))
    profile = choose_profile(operation)
    return next(body for body in bodies if _suits(operation, profile, body))


def _suits(operation: Operation[Any, Any], profile: Profile, body: dict[str, Any]) -> bool:
    try:
        operation.check_profile(profile, operation.parse(body))
    except (Fault, ValidationError):
        return False
    return True


def make_post(message: str, device: str) -> Prepared:
    """The message to a device."""
    operation = OPERATIONS[message]
    body = make_parameters(message) | {"device_identification": device}
    return Prepared("post", f"/api/v1/{operation.derive_path()}/", {}, body)


def make_bundle(message: str, meter: str, device: str) -> Prepared:
    """A bundle to a meter, of which the message is an action about a device."""
    action = make_parameters(message) | {
        "message": message,
        "device_identification": device,
    }
    body = {"device_identification": meter, "actions": [action]}
    return Prepared("post", "/api/v1/bundle/", {}, body)


def make_batch(message: str, *devices: str) -> Prepared:
    parameters = make_parameters(message)
    body = {"message": message, "device_identifications": list(devices), **parameters}
    return Prepared("post", "/api/v1/requests/batch/", {}, body)


def make_schedule(message: str, device: str, path: str = "schedules/") -> Prepared:
    parameters = make_parameters(message)
    body = SCHEDULE | {"message": message, "parameters": parameters, "device_identifications": [device]}
    return Prepared("post", f"/api/v1/{path}", {}, body)


def make_outcome(message: str, uid: str, method: str = "get") -> Prepared:
    return Prepared(method, f"/api/v1/{OPERATIONS[message].derive_path()}/{uid}/", {}, None)


def list_ways(message: str, meter: str, device: str) -> list[Prepared]:
    """All ways in which a message gets to a device; ``meter``: one that the caller may send bundles to."""
    operation = OPERATIONS[message]
    ways = [make_post(message, device)]
    if operation.bundleable and isinstance(operation, MeterOperation):
        ways.append(make_bundle(message, meter, device))
    if may_be_batched(operation):
        ways += [make_batch(message, device), make_schedule(message, device)]
        ways.append(make_schedule(message, device, "schedules/preview/"))
    if may_be_batch_action(operation):
        action = {"message": message, **make_parameters(message)}
        body = {"message": "Bundle", "device_identifications": [device], "actions": [action]}
        ways.append(Prepared("post", "/api/v1/requests/batch/", {}, body))
    return ways


def check_alike(world: World, asked: Prepared, invented: Prepared, **headers: str) -> str:
    """Check that a stranger gets the same of both, and nothing of the organisation; return it."""
    answer = asked.call(world.stranger, **headers)
    assert world.traces.find(answer, asked.sent) == []
    refusal = describe(answer, asked)
    assert refusal == describe(invented.call(world.stranger, **headers), invented)
    assert refusal[0] in (400, 404)
    return refusal[1]


@every_message
def test_strangers(world: World, message: str) -> None:
    """They may as well send it to a device that is nowhere, in whatever way; nothing is stored."""
    device = world.estate.find_device(OPERATIONS[message]).identification
    asked_ways = list_ways(message, STRANGER_METER, device)
    invented_ways = list_ways(message, STRANGER_METER, invent(device))
    with nothing_stored(world.rows):
        for asked, invented in zip(asked_ways, invented_ways, strict=True):
            if message in KNOWN:
                answers = [describe(asked.call(world.stranger), asked)]
                answers.append(describe(invented.send(world.stranger), invented))
                assert answers[0] != answers[1], "this is mended: take it out of KNOWN"
            else:
                # Nothing else is wrong with what they send.
                assert "There is no device" in check_alike(world, asked, invented)


@every_message
def test_outcomes(world: World, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correlation UID of others is one that there is not, also for who shares the device, and at once."""
    monkeypatch.setattr(message_views, "hold", lambda *_: pytest.fail("a call was held"))
    uid = world.estate.outcomes[message]
    assert world.traces.find(make_outcome(message, uid).send(world.owner))
    with nothing_stored(world.rows):
        for method in ("get", "delete"):
            asked, invented = make_outcome(message, uid, method), make_outcome(message, UNKNOWN_UID, method)
            headers = {"Prefer": "wait=20"} if method == "get" else {}
            assert '"code":405' in check_alike(world, asked, invented, **headers)
            answer = asked.call(world.grantees[DeviceFunctionGroup.OWNER])
            assert (answer.status_code, answer.json()["code"]) == (404, 405)
            assert world.traces.find(answer, uid) == []
    other = "SynchronizeTime" if message != "SynchronizeTime" else "ActualMeterReads"
    assert make_outcome(other, uid).call(world.owner).status_code == 404


@every_message
def test_tokens_that_are_not_enough(world: World, message: str) -> None:
    """Without a good token, or the scope of the message, nothing is said of device or request."""
    operation = OPERATIONS[message]
    uid = world.estate.outcomes[message]
    post = make_post(message, world.estate.find_device(operation).identification)
    outcome, deletion = make_outcome(message, uid), make_outcome(message, uid, "delete")
    refusals = [(world.anonymous, each, 401, None) for each in (post, outcome, deletion)]
    for caller in world.refused.values():
        expected = (403, 104) if caller.name == "disabled organisation" else (401, None)
        refusals.append((caller, post, *expected))
    own = str(operation.service)
    for organisation in (world.estate.organisation, world.stranger_organisation):
        lacking = world.lacking(organisation, own)
        refusals += [(lacking, post, 403, 301), (lacking, deletion, 403, 301)]
        refusals.append((world.lacking(organisation, Scope.READ), outcome, 403, 301))
    for caller, asked, status, code in refusals:
        answer = asked.call(caller)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (caller.name, asked)
        assert world.traces.find(answer, asked.sent) == []


@every_message
def test_grantees(world: World, message: str) -> None:
    """A device may be shared for some messages: each function group opens those that name it."""
    operation = OPERATIONS[message]
    if message == "AddDevice":
        return
    asked = make_post(message, world.estate.find_device(operation).identification)
    allowed = operation.granted_to | {DeviceFunctionGroup.OWNER}
    for group, caller in world.grantees.items():
        answer = asked.send(caller)
        if group in allowed and not isinstance(operation, Bundle):
            assert answer.status_code == 202, read_answer(answer)
        elif group not in allowed:
            assert answer.status_code == 403, read_answer(answer)
            assert answer.json()["code"] == 301 or "errors" in answer.json()


@every_message
def test_idempotency_keys(world: World, message: str) -> None:
    """A key that the organisation has used is like any other for strangers."""
    key = world.estate.names["idempotency_key"]
    device = world.estate.find_device(OPERATIONS[message]).identification
    if message not in KNOWN:
        ways = make_post(message, device), make_post(message, invent(device))
        check_alike(world, *ways, **{"Idempotency-Key": key})
    own = make_post(message, STRANGER_METER)
    with_key = own.send(world.stranger, **{"Idempotency-Key": key})
    assert describe(with_key, own) == describe(own.send(world.stranger), own)
    assert world.traces.find(with_key, own.sent) == []


def test_an_action_in_a_bundle_needs_its_own_scope(world: World) -> None:
    """Of a device of others nothing is said to who lacks that scope."""
    caller = world.lacking(world.stranger_organisation, Scope.ADHOC)
    device = world.estate.meter.identification
    refusals = []
    for name in (device, invent(device)):
        asked = make_bundle("SynchronizeTime", STRANGER_METER, name)
        answer = asked.send(caller)
        assert answer.status_code in (400, 403)
        assert world.traces.find(answer, asked.sent) == []
        refusals.append(describe(answer, asked))
    assert refusals[0] == refusals[1]


def test_a_gateway_of_others(world: World) -> None:
    """An M-Bus device cannot be put behind it, and nobody learns whether it is there."""
    ways = []
    for gateway in (world.estate.meter.identification, invent(world.estate.meter.identification)):
        body = gas_meter(gateway=gateway, channel=1) | {"device_identification": "STRANGERGAS1"}
        ways.append(Prepared("post", "/api/v1/installation/add-device/", {}, body))
    with nothing_stored(world.rows):
        assert "There is no device" in check_alike(world, *ways)


def test_every_message_has_its_routes() -> None:
    """They are all reached above: the paths are those of the URL table."""
    for operation in OPERATIONS.values():
        assert build_route_name(operation) == operation.derive_path()
    assert KNOWN.keys() <= OPERATIONS.keys()
