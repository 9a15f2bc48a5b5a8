"""A stream server in a thread of the test, and listeners that speak to it over real sockets."""

import asyncio
import http.client
import itertools
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from osgp.accounts.models import Organisation
from osgp.events.models import Event, EventKind
from osgp.stream.application import PATH, make_application
from osgp.stream.hub import Hub
from osgp.stream.server import StreamServer
from osgp.web_server.listening import listen
from tests import processes

PATIENCE = processes.PATIENCE
_numbers = itertools.count(1)


@dataclass
class Serving:
    """A server that runs."""

    hub: Hub
    server: StreamServer
    port: int

    def listen(self, token: str = "", query: str = "", **headers: str) -> "Listening":
        """A listener that the server has answered."""
        return Listening(self.port, token, query, headers)

    def count_listeners(self) -> int:
        return len(self.hub._listeners)


@contextmanager
def serving(connections: int = 5000) -> Iterator[Serving]:
    hub = Hub()
    listening = listen("127.0.0.1", 0, 2048)
    server = StreamServer(make_application(hub), hub, connections=connections)
    port = listening.getsockname()[1]
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(server.serve_listener(listening))
        except BaseException as error:  # noqa: BLE001 (told at the end)
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Serving(hub, server, port)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        hub.close()
    assert failures == []


@dataclass(frozen=True)
class Block:
    """What stands between two empty lines."""

    fields: Mapping[str, str]

    @property
    def position(self) -> int:
        return int(self.fields["id"])

    @property
    def body(self) -> Any:
        return json.loads(self.fields["data"])

    @property
    def number(self) -> Any:
        """By which a test knows its events."""
        return self.body["data"]["number"]


class Listening:
    """One connection; ``status`` and ``headers`` are those of the answer."""

    def __init__(self, port: int, token: str, query: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        self._connection.request("GET", f"{PATH}{query}", headers=sent)
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self.headers = self.answer.headers

    def read_block(self) -> Block | None:
        """The next block; None at the end."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode():
            if line == "\n":
                return Block(fields)
            name, _, value = line.rstrip("\n").partition(":")
            fields[name] = value.removeprefix(" ")
        return None

    def read_event(self) -> Block:
        """The next block with data, as a browser gives it to its page."""
        while (block := self.read_block()) is not None:
            if "data" in block.fields:
                return block
        raise AssertionError("the stream has ended")

    def read_numbers(self, count: int) -> list[int]:
        return [self.read_event().number for _ in range(count)]

    def read_to_the_end(self) -> list[Block]:
        blocks = []
        while (block := self.read_block()) is not None:
            blocks.append(block)
        return blocks

    def read_problem(self) -> Any:
        assert self.headers["Content-Type"] == "application/problem+json"
        return json.loads(self.answer.read())

    def close(self) -> None:
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def tell(
    organisation: Organisation,
    *,
    kind: EventKind = EventKind.SYSTEM_EVENT,
    device: str = "",
    **data: Any,
) -> int:
    """Store an event; returns the number by which it is known."""
    number = next(_numbers)
    Event.objects.create(
        organisation=organisation,
        kind=kind,
        subject=uuid.uuid4(),
        device_identification=device,
        data={"number": number, **data},
    )
    return number
