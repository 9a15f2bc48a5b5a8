"""Each URL of the REST API, as others call it with what belongs to an organisation (rest_table.py)."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.requests.api import schema
from tests import factories
from tests.tenants.calls import Prepared, describe
from tests.tenants.rest_table import KNOWN_TO_SHARED_READERS, LINES, Call, Line, Public, resolve
from tests.tenants.routes import ADMIN, METHODS, Route, list_message_patterns, list_routes
from tests.tenants.traces import find_changes, list_rows, read_answer, rolled_back
from tests.tenants.world import Caller, World

ROUTES = {route.pattern: route for route in list_routes() if not route.pattern.startswith(ADMIN)}
TENANTS = [(pattern, method) for (pattern, method), line in LINES.items() if isinstance(line, Line)]
PUBLIC = [(pattern, method) for (pattern, method), line in LINES.items() if isinstance(line, Public)]
NO_ORGANISATIONS = {("metrics", "get")}
"""They have tests of their own, below."""


def prepare(key: tuple[str, str], line: Line, call: Call, names: dict[str, str]) -> Prepared:
    pattern, method = key
    path = ROUTES[pattern].fill_in(resolve(line.path, names))
    return Prepared(method, path, resolve(call.query, names), resolve(call.body, names))


def list_prepared(key: tuple[str, str], names: dict[str, str]) -> Iterator[tuple[Call, Prepared]]:
    line = LINES[key]
    assert isinstance(line, Line)
    for call in line.calls:
        yield call, prepare(key, line, call, names)


def test_no_endpoint_without_a_line() -> None:
    served = {(route.pattern, method) for route in ROUTES.values() for method in route.methods}
    messages = list_message_patterns()
    missing = {(pattern, method) for pattern, method in served if pattern not in messages}
    assert missing - LINES.keys() - NO_ORGANISATIONS == set(), "add lines for these to rest_table.py"
    assert LINES.keys() - served == set(), "these lines of rest_table.py are of nothing"
    for pattern in messages:
        asked = ("get", "delete") if ROUTES[pattern].parameters else ("post",)
        assert ROUTES[pattern].methods == asked, "test_messages.py has to ask for more"


@pytest.mark.parametrize("key", TENANTS, ids=" ".join)
def test_strangers(world: World, key: tuple[str, str]) -> None:
    """Of what belongs to others they get what they get of what is nowhere, and change nothing."""
    for (call, asked), (_, invented) in zip(
        list_prepared(key, world.estate.names), list_prepared(key, world.nowhere), strict=True
    ):
        answer = asked.send(world.stranger)
        text = describe(answer, asked)
        assert text[0] == call.foreign, text
        assert world.traces.find(answer, asked.sent) == []
        assert text == describe(invented.send(world.stranger), invented)
        if key[1] != "get":
            with rolled_back():
                is_refused = asked.call(world.stranger).status_code >= 400
                assert find_changes(world.rows, list_rows(), new=is_refused) == {}


@pytest.mark.parametrize("key", TENANTS, ids=" ".join)
def test_owner(world: World, key: tuple[str, str]) -> None:
    """The organisation itself gets it: else the other tests would prove nothing."""
    for call, asked in list_prepared(key, world.estate.names):
        answer = asked.send(world.owner)
        assert answer.status_code == call.own, read_answer(answer)
        if call.shows and call.query.get("format") != "parquet":
            assert world.traces.find(answer)


@pytest.mark.parametrize("key", TENANTS, ids=" ".join)
def test_tokens_that_are_not_enough(world: World, key: tuple[str, str]) -> None:
    line = LINES[key]
    assert isinstance(line, Line)
    call, asked = next(list_prepared(key, world.estate.names))
    _, invented = next(list_prepared(key, world.nowhere))
    for caller in (world.anonymous, *world.refused.values()):
        answer = asked.send(caller)
        expected = (403, 104) if caller.name == "disabled organisation" else (401, None)
        assert (answer.status_code, answer.json()["code"]) == expected, caller.name
        assert world.traces.find(answer, asked.sent) == [], caller.name
        assert describe(answer, asked) == describe(invented.send(caller), invented)
    for scope in line.scopes:
        answer = asked.send(world.lacking(world.estate.organisation, scope))
        assert answer.status_code == 403, scope
        assert str(scope) in read_answer(answer)
        assert world.traces.find(answer, asked.sent) == []
        stranger = world.lacking(world.stranger_organisation, scope)
        refusal = describe(asked.send(stranger), asked)
        assert refusal[0] in (403, call.foreign)
        assert refusal == describe(invented.send(stranger), invented)


@pytest.mark.parametrize("key", TENANTS, ids=" ".join)
def test_grantees(world: World, key: tuple[str, str]) -> None:
    """Who was granted something on the devices gets what that opens, and nothing else of the organisation.

    Of whose requests it came is not part of it.
    """
    line = LINES[key]
    assert isinstance(line, Line)
    for call, asked in list_prepared(key, world.estate.names):
        opened_by = line.opened_by if call.opened_by is None else call.opened_by
        for group, caller in world.grantees.items():
            if not opened_by and group not in (DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING):
                continue
            answer = asked.send(caller)
            found = world.traces.find(answer, asked.sent)
            if group in opened_by:
                assert answer.status_code == call.own, (group, read_answer(answer))
                told = world.request_uids & set(found)
                assert bool(told) == (key in KNOWN_TO_SHARED_READERS and bool(found)), (group, told)
                if call.shows and not call.query and key[1] == "get":
                    assert found, group
            else:
                refusals = {call.foreign, 403} | ({400} if key[1] == "post" else set())
                assert answer.status_code in refusals, (group, read_answer(answer))
                assert found == [], group


@pytest.mark.parametrize("key", [key for key in TENANTS if LINES[key].paged], ids=" ".join)  # type: ignore[union-attr]
def test_cursors(world: World, key: tuple[str, str]) -> None:
    """A cursor of the organisation leads strangers nowhere."""
    is_tried = False
    for call, asked in list_prepared(key, world.estate.names):
        if call.query.get("format"):
            continue
        first = asked._replace(query={**asked.query, "page_size": "1"}).send(world.owner)
        if "Link" not in first.headers:
            continue
        is_tried = True
        link = first.headers["Link"].partition(">")[0].lstrip("<")
        following = asked._replace(query=parse_qs(urlsplit(link).query))
        assert world.traces.find(following.send(world.owner))
        answer = following.send(world.stranger)
        assert answer.status_code == call.foreign
        assert world.traces.find(answer, following.sent) == []
        assert "Link" not in answer.headers
    assert is_tried


@pytest.mark.parametrize("key", PUBLIC, ids=" ".join)
def test_what_everybody_gets(world: World, key: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # It is made once for all callers, from code alone, which takes seconds.
    monkeypatch.setattr(schema, "build_document", dict)
    line = LINES[key]
    assert isinstance(line, Public)
    for caller in (world.anonymous, world.owner, world.stranger, *world.refused.values()):
        answer = caller.call(key[1], ROUTES[key[0]].fill_in({}))
        assert answer.status_code in line.statuses
        assert world.traces.find(answer) == []


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda route: route.pattern)
def test_other_methods(world: World, route: Route) -> None:
    """What a URL does not do is said of all URLs alike; OPTIONS tells of the URL, and HEAD what GET does."""
    keys = [key for key in LINES if key[0] == route.pattern and isinstance(LINES[key], Line)]
    if not keys:
        return
    line = LINES[keys[0]]
    assert isinstance(line, Line)
    path = route.fill_in(resolve(line.path, world.estate.names))
    for method in {*METHODS, "options"} - set(route.methods):
        answer = world.stranger.call(method, path)
        assert answer.status_code == (200 if method == "options" else 405), method
        assert world.traces.find(answer, path) == []
    if "get" in route.methods:
        call, asked = next(list_prepared((route.pattern, "get"), world.estate.names))
        answer = asked._replace(method="head").send(world.stranger)
        assert answer.status_code == call.foreign
        assert world.traces.find(answer, asked.sent) == []


def test_readings_from_before_a_grant(world: World) -> None:
    """Known: a grant has no beginning, so who gets a device today sees what it said before."""
    holder = factories.make_organisation("HOLDER-SINCE-NOW")
    factories.grant(holder, world.estate.meter, DeviceFunctionGroup.MONITORING)
    caller = Caller("new holder", factories.make_token(holder))
    answer = caller.call("get", "/api/v1/readings/", query={"device": world.estate.meter.identification})
    assert answer.status_code == 200
    assert answer.json()["results"], "this is mended: expect no readings here"


def test_metrics(world: World) -> None:
    """They are for who runs the platform: a token of an organisation opens nothing from elsewhere."""
    for caller in (world.anonymous, world.stranger, world.owner):
        answer = caller.call("get", "/metrics", **{"X-Forwarded-For": "192.0.2.1"})
        assert answer.status_code == 401
        assert world.traces.find(answer) == []
