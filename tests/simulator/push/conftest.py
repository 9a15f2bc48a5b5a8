"""Where simulated meters push to in these tests."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from osgp.simulator import SimulatorThread

from .receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A head-end that accepts every push."""
    with receiving() as running:
        yield running


class Interface:
    """Calls the HTTP interface of a simulator."""

    def __init__(self, simulator: SimulatorThread) -> None:
        assert simulator.http_port is not None
        self._port = simulator.http_port

    def call(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Status and document."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, path, None if document is None else json.dumps(document))
        response = connection.getresponse()
        answered = response.read()
        connection.close()
        return response.status, json.loads(answered) if answered else None

    def push(self, identification: str, **order: Any) -> Any:
        """Have a meter push; what it says about it."""
        status, told = self.call("POST", f"/meters/{identification}/push", order)
        assert status == 202, told
        return told

    def count(self) -> Any:
        """How pushes fared."""
        return self.call("GET", "/push")[1]
