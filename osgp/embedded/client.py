"""A small client of the REST API, as any web application could write it."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TIMEOUT_SECONDS = 30
ANSWER_LIMIT = 16 * 1024 * 1024

Json = dict[str, Any]


class ApiError(Exception):
    """The API refused a call; the text is its problem document in one line."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        details = [str(problem.get("detail") or problem.get("title") or "no reason given")]
        details += [f"{item.get('pointer')}: {item.get('detail')}" for item in problem.get("errors") or ()]
        super().__init__(f"HTTP {status}: {'; '.join(details)}")


class ApiClient:
    """Calls the API with one token over one connection. Not for use by several threads at once.

    Raises ApiError for answers that are errors, OSError when the platform cannot be reached.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url} is no http or https address")
        self._connection = (
            http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
            if parts.scheme == "http"
            else http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        )
        self._prefix = f"{parts.path.rstrip('/')}"
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> Json:
        """Get the JSON object at a path such as ``/management/devices/``."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Post a JSON object; returns the JSON object of the answer."""
        return self._call("POST", path, json.dumps(body))

    def submit(self, service: str, message: str, body: Mapping[str, Any]) -> Json:
        """Post a message, e.g. ``monitoring``, ``actual-meter-reads``; returns the answer with its path."""
        answer = self.post(f"/{service}/{message}/", body)
        return {**answer, "path": f"/{service}/{message}/{answer['correlation_uid']}/"}

    def fetch_final_answers(
        self,
        submitted: Iterable[Mapping[str, Any]],
        *,
        deadline: float,
        pause: Callable[[float], Any] = time.sleep,
    ) -> Iterator[Json]:
        """Yield the final answers of submitted messages, each as soon as it is there.

        Ends without those that are not final after ``deadline`` seconds.
        """
        waiting = {answer["correlation_uid"]: answer["path"] for answer in submitted}
        end = time.monotonic() + deadline
        while waiting:
            progress = False
            for uid, path in list(waiting.items()):
                answer = self.get(path)
                if answer["status"] in FINAL:
                    del waiting[uid]
                    progress = True
                    yield answer
            if time.monotonic() > end:
                return
            if waiting and not progress:
                pause(0.1)

    def _call(self, method: str, path: str, body: str | None) -> Json:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, f"{self._prefix}{path}", body=body, headers=headers)
            response = self._connection.getresponse()
            content = response.read(ANSWER_LIMIT + 1)
        except http.client.HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"no sensible answer to {method} {path}: {error!r}") from error
        except OSError:
            self._connection.close()
            raise
        if len(content) > ANSWER_LIMIT:
            self._connection.close()
            raise ConnectionError(f"the answer to {method} {path} is too large")
        try:
            answer = json.loads(content or b"{}")
        except ValueError:
            answer = {}
        if response.status >= 400:
            raise ApiError(response.status, answer if isinstance(answer, dict) else {})
        if not isinstance(answer, dict):
            raise ConnectionError(f"the answer to {method} {path} is no JSON object")
        return answer
