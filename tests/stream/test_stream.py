"""What listeners are told, from where on, and who is refused."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.events.models import Event, EventKind, EventSequence
from osgp.events.numbering import number_new
from osgp.stream import hub, listeners, reading
from osgp.web_server import lines
from tests import factories, processes
from tests.stream.listening import PATIENCE, Serving, tell


def test_events_from_now_on(stream: Serving, organisation: Organisation, token: str) -> None:
    tell(organisation)
    with stream.listen(token) as listener:
        assert listener.status == 200
        assert listener.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert listener.headers["Cache-Control"] == "no-store"
        assert listener.headers["X-Accel-Buffering"] == "no"
        assert listener.headers["Access-Control-Allow-Origin"] is None
        retry, place = listener.read_block(), listener.read_block()
        assert retry is not None
        assert place is not None
        assert retry.fields == {"retry": "2000"}
        assert place.fields == {"": "", "id": "1"}
        number = tell(organisation, device="E1", text="two\nlines, “quoted”")
        event = listener.read_event()
    stored = Event.objects.get(position=2)
    assert event.fields.keys() == {"id", "event", "data"}
    assert event.fields["id"] == "2"
    assert event.fields["event"] == "system.event"
    assert event.body.keys() == {"type", "data", "created_at"}
    assert event.body["type"] == "system.event"
    assert event.body["data"] == {"number": number, "text": "two\nlines, “quoted”"}
    assert datetime.fromisoformat(event.body["created_at"]) == stored.created_at
    assert event.body["created_at"].endswith("Z")


def test_a_listener_goes_on_where_it_was(stream: Serving, organisation: Organisation, token: str) -> None:
    numbers = [tell(organisation) for _ in range(4)]
    number_new()
    with stream.listen(token, Last_Event_ID="2") as listener:
        assert listener.read_numbers(2) == numbers[2:]
        live = tell(organisation)
        assert listener.read_numbers(1) == [live]
    with stream.listen(token, "?last_event_id=3") as listener:
        assert listener.read_numbers(2) == [numbers[3], live]
    with stream.listen(token, "?last_event_id=1", Last_Event_ID="4") as listener:
        assert listener.read_numbers(1) == [live]


def test_slices_leave_nothing_out(
    stream: Serving, organisation: Organisation, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLICE", 3)
    stranger = factories.make_organisation("STRANGER")
    numbers = []
    for place in range(20):
        tell(stranger)
        numbers.append(tell(organisation, device=f"E{place % 7}"))
    number_new()
    with stream.listen(token, "?last_event_id=0") as listener:
        assert listener.read_numbers(20) == numbers
        live = [tell(organisation, device="E3") for _ in range(10)]
        assert listener.read_numbers(10) == live
    with stream.listen(token, "?last_event_id=0&device=E3") as listener:
        assert listener.read_numbers(13) == [numbers[3], numbers[10], numbers[17], *live]


def test_filters(stream: Serving, organisation: Organisation, token: str) -> None:
    kinds = "?kind=alarm.received&kind=request.completed"
    with stream.listen(token, kinds) as of_kind, stream.listen(token, "?device=E1&device=E2") as of_device:
        tell(organisation, device="E3")
        alarm = tell(organisation, kind=EventKind.ALARM_RECEIVED, device="E3")
        first = tell(organisation, device="E1")
        done = tell(organisation, kind=EventKind.REQUEST_COMPLETED, device="E2")
        assert of_kind.read_numbers(2) == [alarm, done]
        assert of_device.read_numbers(2) == [first, done]
    with stream.listen(token, f"{kinds}&device=E2&last_event_id=0") as both:
        assert both.read_numbers(1) == [done]


def test_organisations_see_their_own_events_only(
    stream: Serving, organisation: Organisation, other_organisation: Organisation, token: str
) -> None:
    theirs = factories.make_token(other_organisation)
    with stream.listen(token) as ours, stream.listen(theirs) as stranger:
        expected: dict[bool, list[int]] = {True: [], False: []}
        for turn in range(30):
            own = turn % 3 == 0
            expected[own].append(tell(organisation if own else other_organisation, device="E1"))
        assert ours.read_numbers(10) == expected[True]
        assert stranger.read_numbers(20) == expected[False]
    with stream.listen(token, "?last_event_id=0&device=E1") as again:
        assert again.read_numbers(10) == expected[True]


def test_forgotten_events_are_a_gap(stream: Serving, organisation: Organisation, token: str) -> None:
    for _ in range(4):
        tell(organisation)
    number_new()
    Event.objects.filter(position__lte=2).delete()
    left = list(Event.objects.order_by("position").values_list("data__number", flat=True))
    with stream.listen(token, Last_Event_ID="1") as listener:
        gap = listener.read_event()
        assert gap.fields["event"] == "gap"
        assert gap.position == 2
        assert gap.body == {"type": "gap", "data": {"last_event_id": 1, "kept_after": 2}}
        assert listener.read_numbers(2) == left
    with stream.listen(token, Last_Event_ID="2") as listener:
        assert listener.read_numbers(2) == left
    Event.objects.all().delete()
    with stream.listen(token, Last_Event_ID="3") as listener:
        assert listener.read_event().body["data"]["kept_after"] == 4


def test_heartbeats_move_the_place_on(
    stream: Serving,
    organisation: Organisation,
    other_organisation: Organisation,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "HEARTBEAT", 0.3)
    with stream.listen(token) as listener:
        tell(other_organisation)
        block = listener.read_block()
        while block is not None and block.fields.get("id") != "1":
            assert "data" not in block.fields
            block = listener.read_block()
        assert block is not None
        assert block.fields == {"": "", "id": "1"}


@pytest.mark.parametrize(
    ("query", "header", "field"),
    [
        ("?last_event_id=x", "", "last_event_id"),
        ("?last_event_id=-1", "", "last_event_id"),
        ("?last_event_id=", "", "last_event_id"),
        ("?last_event_id=1234567890123456789", "", "last_event_id"),
        ("?last_event_id=1", "", "last_event_id"),
        ("?last_event_id=0&last_event_id=0", "", "last_event_id"),
        ("", "1e3", "last_event_id"),
        ("", "7", "last_event_id"),
        ("?kind=gap", "", "kind"),
        ("?device=E+1", "", "device"),
        ("?device=" + "E" * 41, "", "device"),
        ("?" + "&".join(f"device=E{number}" for number in range(101)), "", "device"),
        ("?since=1", "", "since"),
    ],
)
def test_bad_input_names_the_field(stream: Serving, token: str, query: str, header: str, field: str) -> None:
    headers = {"Last_Event_ID": header} if header else {}
    with stream.listen(token, query, **headers) as listener:
        assert listener.status == 400
        problem = listener.read_problem()
    assert problem["code"] == 401
    assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]
    assert stream.count_listeners() == 0


def test_long_queries_and_other_methods_are_refused(stream: Serving, token: str) -> None:
    with stream.listen(token, "?kind=" + "x" * 9000) as listener:
        assert listener.status == 400
    for method in ("POST", "HEAD"):
        with socket.create_connection(("127.0.0.1", stream.port), timeout=PATIENCE) as caller:
            caller.sendall(f"{method} /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert caller.recv(4096).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(
    ("limit", "status"), [("STREAM_LISTENERS", 503), ("STREAM_LISTENERS_PER_ORGANISATION", 429)]
)
def test_there_may_be_so_many_listeners(
    settings: Settings, stream: Serving, token: str, other_organisation: Organisation, limit: str, status: int
) -> None:
    settings.OSGP = settings.OSGP | {limit: 2}
    with stream.listen(token), stream.listen(token):
        with stream.listen(token) as refused:
            assert refused.status == status
            assert int(refused.headers["Retry-After"]) > 0
            assert refused.read_problem()["status"] == status
        with stream.listen(factories.make_token(other_organisation)) as other:
            assert other.status == (503 if status == 503 else 200)
    processes.eventually(lambda: stream.count_listeners() == 0, "all places to be free again")
    with stream.listen(token) as listener:
        assert listener.status == 200


def test_who_does_not_read_is_hung_up_on_and_can_go_on(
    stream: Serving, organisation: Organisation, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MOST_WAITING", 100_000)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(180)
    slow.connect(("127.0.0.1", stream.port))
    slow.sendall(
        b"GET /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        + token.encode()
        + b"\r\n\r\n"
    )
    assert slow.recv(20).startswith(b"HTTP/1.1 200")
    with slow, stream.listen(token) as quick:
        numbers = []
        while stream.count_listeners() > 1:
            number = tell(organisation, filling="x" * 50_000)
            numbers.append(number)
            assert quick.read_numbers(1) == [number]
            assert len(numbers) < 200
    with stream.listen(token, "?last_event_id=0") as again:
        assert again.read_numbers(len(numbers)) == numbers


def test_who_takes_nothing_while_catching_up_is_hung_up_on(
    stream: Serving, organisation: Organisation, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HEARTBEAT", 0.6)
    monkeypatch.setattr(reading, "SLICE", 2)
    for _ in range(60):
        tell(organisation, filling="x" * 50_000)
    number_new()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", stream.port))
    request = (
        f"GET /api/v1/events/?last_event_id=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}"
    )
    slow.sendall(f"{request}\r\n\r\n".encode())
    processes.eventually(lambda: stream.count_listeners() == 1, "the listener to be there")
    processes.eventually(lambda: stream.count_listeners() == 0, "the listener to be hung up on")
    slow.close()


def test_who_says_nothing_is_hung_up_on(stream: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "HEAD_SECONDS", 0.2)
    for said in (b"", b"GET /api/v1/events/ HTTP/1.1\r\nHost:"):
        with socket.create_connection(("127.0.0.1", stream.port), timeout=PATIENCE) as caller:
            caller.sendall(said)
            with suppress(ConnectionResetError):
                assert caller.recv(100) == b""


@contextmanager
def outage(stream: Serving) -> Iterator[None]:
    """The database is away for those who look for events; test_process.py has it really away."""

    def fail(*_: object) -> None:
        raise OperationalError("the database is away")

    with pytest.MonkeyPatch.context() as away:
        away.setattr(reading, "read_new", fail)
        away.setattr(hub, "find_last_position", fail)
        processes.eventually(lambda: not stream.hub.is_reading, "the outage to be noticed")
        yield


def test_listeners_outlast_the_database(stream: Serving, organisation: Organisation, token: str) -> None:
    with stream.listen(token) as listener:
        with outage(stream):
            numbers = [tell(organisation) for _ in range(3)]
        numbers.append(tell(organisation))
        assert listener.read_numbers(4) == numbers


def test_a_restored_database_is_a_gap(stream: Serving, organisation: Organisation, token: str) -> None:
    for _ in range(3):
        tell(organisation)
    number_new()
    with stream.listen(token) as listener:
        processes.eventually(lambda: stream.hub._live, "the listener to be live")
        with outage(stream):
            Event.objects.filter(position__gt=1).delete()
            EventSequence.objects.update(last=1)
        assert listener.read_event().body == {"type": "gap", "data": {"last_event_id": 3, "kept_after": 1}}
        number = tell(organisation)
        event = listener.read_event()
        assert (event.number, event.position) == (number, 2)


def test_health(stream: Serving) -> None:
    def get(path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", stream.port, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found

    assert get("/healthz") == (200, {"status": "ok"})
    processes.eventually(lambda: get("/readyz")[0] == 200, "the database to be read")
    with outage(stream):
        status, body = get("/readyz")
        assert (status, body["status"], body["checks"]["database"]) == (503, "unavailable", "unreachable")
    assert get("/nothing")[0] == 404
