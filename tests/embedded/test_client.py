"""The small API client against a web server that answers all sorts of things."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from osgp.embedded import client as client_module
from osgp.embedded.client import ApiClient, ApiError

Answer = tuple[int, bytes]


class Handler(BaseHTTPRequestHandler):
    """Answers what the server's list says, in order, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        status, content = server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815 (the names that the base class looks for)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Tests are quiet."""


class Server(ThreadingHTTPServer):
    answers: list[Answer]
    asked: list[tuple[str, str, str, bytes]]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answers, server.asked = [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def api(server: Server) -> Iterator[ApiClient]:
    with ApiClient(f"http://127.0.0.1:{server.server_address[1]}/api/v1", "token") as api:
        yield api


def answer(code: int, **body: object) -> Answer:
    return code, json.dumps(body).encode()


def test_messages_are_posted_with_the_token(server: Server, api: ApiClient) -> None:
    server.answers = [answer(202, correlation_uid="u1")]
    submitted = api.submit("monitoring", "actual-meter-reads", {"device_identification": "E1"})
    assert submitted["path"] == "/monitoring/actual-meter-reads/u1/"
    assert server.asked == [
        ("POST", "/api/v1/monitoring/actual-meter-reads/", "Bearer token", b'{"device_identification": "E1"}')
    ]


def test_answers_are_told_as_they_become_final(server: Server, api: ApiClient) -> None:
    server.answers = [
        answer(202, correlation_uid="u1", status="RUNNING"),
        answer(200, correlation_uid="u2", status="FAILED"),
        answer(200, correlation_uid="u1", status="SUCCEEDED"),
    ]
    submitted = [{"correlation_uid": uid, "path": f"/m/{uid}/"} for uid in ("u1", "u2")]
    finished = list(api.fetch_final_answers(submitted, deadline=30))
    assert [(item["correlation_uid"], item["status"]) for item in finished] == [
        ("u2", "FAILED"),
        ("u1", "SUCCEEDED"),
    ]


def test_waiting_ends_at_its_deadline(server: Server, api: ApiClient) -> None:
    server.answers = [answer(202, correlation_uid="u1", status="RETRYING")]
    assert list(api.fetch_final_answers([{"correlation_uid": "u1", "path": "/m/u1/"}], deadline=0)) == []


def test_a_refusal_names_the_fields(server: Server, api: ApiClient) -> None:
    errors = [{"pointer": "/port", "detail": "Must be 1 to 65535."}]
    server.answers = [answer(400, title="Bad Request", detail="It is wrong.", errors=errors)]
    with pytest.raises(ApiError, match=r"HTTP 400: It is wrong\.; /port: Must be 1 to 65535\.") as caught:
        api.post("/installation/add-device/", {})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("status", "content", "error", "text"),
    [
        (502, b"<html>bad gateway</html>", ApiError, "HTTP 502: no reason given"),
        (500, b"[]", ApiError, "HTTP 500: no reason given"),
        (200, b"[1]", ConnectionError, "no JSON object"),
        (200, b"x" * 2000, ConnectionError, "too large"),
    ],
    ids=["html", "list", "no-object", "too-large"],
)
def test_senseless_answers_are_errors(
    server: Server,
    api: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    content: bytes,
    error: type[Exception],
    text: str,
) -> None:
    monkeypatch.setattr(client_module, "ANSWER_LIMIT", 1000)
    server.answers = [(status, content)]
    with pytest.raises(error, match=text):
        api.get("/requests/")


def test_the_client_goes_on_after_a_broken_answer(
    server: Server, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "ANSWER_LIMIT", 1000)
    server.answers = [(200, b"x" * 100_000), answer(200, fine=True)]
    with pytest.raises(ConnectionError):
        api.get("/requests/")
    assert api.get("/requests/") == {"fine": True}


def test_nobody_there_is_an_os_error() -> None:
    with ApiClient("http://127.0.0.1:1", "token") as api, pytest.raises(OSError, match="refused"):
        api.get("/requests/")


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc/passwd", "localhost:8000", ""])
def test_only_web_addresses_are_called(url: str) -> None:
    with pytest.raises(ValueError, match="no http or https address"):
        ApiClient(url, "token")


def test_the_pause_between_questions_is_kept(server: Server, api: ApiClient) -> None:
    pauses: list[float] = []
    remember: Callable[[float], None] = pauses.append
    server.answers = [
        answer(202, correlation_uid="u1", status="QUEUED"),
        answer(200, correlation_uid="u1", status="SUCCEEDED"),
    ]
    assert (
        len(
            list(
                api.fetch_final_answers(
                    [{"correlation_uid": "u1", "path": "/m/u1/"}], deadline=30, pause=remember
                )
            )
        )
        == 1
    )
    assert pauses == [0.1]
