"""Fills a database with an installed release, for tests of upgrading from it, and writes it down as SQL.

    python -m tests.upgrade.fill RELEASE sqlite|postgresql

RELEASE is a clone of the repository at that release with a ``.venv`` of its own. Everything goes through what
stays the same from release to release: ``manage.py``, the REST API, names of models and of admin pages.
``dumps/BACKEND.sql`` gets the tables and rows, ``dumps/BACKEND.json`` what that release said about them, and
which commit it was.

On SQLite the release runs as ``manage.py run``. On PostgreSQL (``DATABASE_URL``, by default that of this
machine; ``pg_dump`` is needed) and RabbitMQ (``BROKER_URL``) it runs as docs/how-to/run-in-production.md
says. It is killed in the end, so that the dump has a visit that nobody goes on with. The meters are simulated
ones, and the key-encryption key that seals theirs is in tests/upgrade/__init__.py: nothing in the dumps is
secret.
"""

import argparse
import json
import os
import re
import secrets
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scripts import services
from scripts.private_services import find_free_port
from tests.upgrade import DUMPS, ENVIRONMENT, PASSWORD, REPEATED

HERE = Path(__file__).parent
PATIENCE = 120.0
METERS = [f"SIME{number:013d}" for number in range(1, 11)]
GAS_METERS = ["SIMG0000000000021", "SIMG0000000000051", "SIMG0000000000071"]
SILENT, CLOSED = METERS[8], METERS[9]
"""Meters that rows.py moves to ports where nobody answers, and nobody listens."""
AT_FIRST = 2 * (len(METERS) + len(GAS_METERS))
"""Requests that ``manage.py run`` sends when it starts: each device is added, and read."""
FAR_FUTURE = "2090-01-01T00:00:00Z"
BUNDLE = [
    {"message": "SynchronizeTime", "timezone": "Europe/Amsterdam"},
    {
        "message": "GetSpecificConfigurationObject",
        "class_id": 1,
        "obis_code": "9-9:9.9.9.255",
        "attribute": 2,
    },
    {"message": "ActualMeterReadsGas", "device_identification": GAS_METERS[1]},
]
Json = dict[str, Any]


class Release:
    """A clone of the repository, and the environment of its processes."""

    def __init__(self, root: Path, **environment: str) -> None:
        self._root = root
        self._environment = {**os.environ, **ENVIRONMENT, **environment, "PYTHONPATH": "."}
        self._processes: list[subprocess.Popen[bytes]] = []

    def manage(self, *arguments: str, text: str = "", status: int = 0) -> str:
        """What a command prints; its exit status has to be ``status``."""
        command = [self._root / ".venv/bin/python", "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=self._root, env=self._environment, input=text, stdout=subprocess.PIPE, text=True
        )
        if done.returncode != status:
            raise SystemExit(f"{arguments[0]} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def start(self, program: str, *arguments: str) -> None:
        """Start a program of the release's environment, until :meth:`kill`."""
        command = [self._root / ".venv/bin" / program, *arguments]
        self._processes.append(
            subprocess.Popen(command, cwd=self._root, env=self._environment, stdout=subprocess.DEVNULL)
        )

    def kill(self) -> None:
        """End what was started in the middle of what it does."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()


class Api:
    """The REST API of a running release."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> Json:
        """The answer to a GET of a path such as ``/api/v1/requests/``."""
        return self._call(path, None, {})

    def post(self, path: str, body: Json, **headers: str) -> Json:
        """The answer to a POST; with ``Prefer="wait=60"`` that of the finished request."""
        return self._call(path, body, headers)

    def _call(self, path: str, body: Json | None, headers: dict[str, str]) -> Json:
        data = None if body is None else json.dumps(body).encode()
        call = urllib.request.Request(self.url + path, data, {**self._headers, **headers})  # noqa: S310
        try:
            with urllib.request.urlopen(call, timeout=PATIENCE) as answer:  # noqa: S310
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.status} {error.read().decode()}") from error


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something to become true; returns it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise SystemExit(f"in vain: {what}")


def send(api: Api, message: str, device: str, **fields: Any) -> Json:
    """Send a message and wait until it is over; whether it went well is told by the answer."""
    return api.post(f"/api/v1/{message}/", {"device_identification": device, **fields}, Prefer="wait=60")


def submit(api: Api, message: str, device: str, **fields: Any) -> str:
    """Send a message; its correlation UID."""
    answer = api.post(f"/api/v1/{message}/", {"device_identification": device, **fields})
    return str(answer["correlation_uid"])


def status(api: Api, message: str, uid: str) -> str:
    """The state of a request."""
    return str(api.get(f"/api/v1/{message}/{uid}/")["status"])


def do_work(release: Release, api: Api) -> None:
    """Requests of many kinds that end well, and two that do not."""
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
    today = time.strftime("%Y-%m-%d")
    day = {"begin_date": f"{yesterday}T00:00:00Z", "end_date": f"{today}T00:00:00Z"}
    send(api, "monitoring/periodic-meter-reads", METERS[4], period_type="INTERVAL", **day)
    send(api, "monitoring/periodic-meter-reads", METERS[0], period_type="DAILY", **day)
    send(api, "monitoring/periodic-meter-reads-gas", GAS_METERS[1], period_type="DAILY", **day)
    send(api, "adhoc/synchronize-time", METERS[0], timezone="Europe/Amsterdam")
    send(api, "management/enable-debugging", METERS[2])
    send(api, "monitoring/read-alarm-register", METERS[2])
    unknown = {"class_id": 1, "obis_code": "9-9:9.9.9.255", "attribute": 2}
    send(api, "adhoc/get-specific-configuration-object", METERS[3], **unknown)
    send(api, "bundle", METERS[4], actions=BUNDLE)
    path, body = REPEATED
    api.post(path, body, **{"Prefer": "wait=60", "Idempotency-Key": "tests-upgrade"})
    submit(api, "monitoring/actual-meter-reads", METERS[5], schedule_time=FAR_FUTURE)
    cancelled = submit(api, "monitoring/actual-meter-reads", METERS[6], schedule_time=FAR_FUTURE)
    api.post(f"/api/v1/requests/{cancelled}/cancel/", {})

    release.manage("device_group", "north", "--organisation", "DEMO", "--add-all")
    send_batch(api, device_group="north")
    chosen = [METERS[1], GAS_METERS[0], "UNKNOWN0000000001"]
    send_batch(api, device_identifications=chosen, skip_invalid=True)


def send_batch(api: Api, **fields: Any) -> None:
    """A batch, and its end."""
    url = api.post("/api/v1/requests/batch/", {"message": "ActualMeterReads", **fields})["url"]
    eventually(lambda: api.get(url)["status"] == "COMPLETED", "the end of a batch")


def batches(api: Api) -> list[tuple[str, str]]:
    """Where batches come from, and how far they are."""
    found = api.get("/api/v1/requests/batch/")["results"]
    return [(batch["source"], batch["status"]) for batch in found]


def leave_work(api: Api) -> None:
    """Requests to meters that cannot be reached: one is over, one waits for its next attempt."""
    message = "monitoring/actual-meter-reads"
    send(api, message, CLOSED, bypass_retry=True)
    uid = submit(api, message, CLOSED)
    eventually(lambda: status(api, message, uid) == "RETRYING", "the first attempt")


def answers(api: Api) -> dict[str, Json]:
    """What the release says about everything that will not change any more."""
    listed = succeeded(api)
    for state in ("FAILED", "CANCELLED"):
        listed += api.get(f"/api/v1/requests/?status={state}&page_size=100")["results"]
    sent = api.get("/api/v1/requests/batch/")["results"]
    paths = [item["url"] for item in listed + sent]
    paths += [f"{item['url']}skipped/" for item in sent]
    paths += [
        f"/api/v1/readings/?device={METERS[4]}&period=INTERVAL&page_size=5",
        f"/api/v1/readings/?device={METERS[4]}&changed=true",
        f"/api/v1/readings/?device={GAS_METERS[1]}&period=DAILY",
        "/api/v1/management/devices/",
        f"/api/v1/management/message-logs/?device={METERS[2]}",
    ]
    return {path: api.get(path) for path in paths}


def is_counted(release: Release) -> bool:
    """Whether the metrics know of a failed request: they are counted every few seconds."""
    counters = "from django.apps import apps; print(apps.get_model('metrics.Counter').objects.filter("
    counters += "name='osgp_requests_completed_total', labels__contains='FAILED').count())"
    return int(release.manage("shell", "-c", counters).split()[-1]) > 0


def fill(release: Release, api: Api) -> Json:
    """Fill the database of a running release, and kill it; what it said about its rows."""
    do_work(release, api)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = release.manage("shell", "-v", "0", "-c", rows_program(silent.getsockname()[1]))
        facts: Json = json.loads(made.splitlines()[-1])
        leave_work(api)
        eventually(lambda: ("RECURRING", "COMPLETED") in batches(api), "the batch of a schedule")
        eventually(lambda: is_counted(release), "metrics")
        running = submit(api, "monitoring/actual-meter-reads", SILENT)
        eventually(lambda: status(api, "monitoring/actual-meter-reads", running) == "RUNNING", "a visit")
        facts["answers"] = answers(api)
        release.kill()
    pages = release.manage("shell", "-v", "0", "-c", (HERE / "pages.py").read_text())
    facts["pages"] = json.loads(pages.splitlines()[-1])
    release.manage("request", "ActualMeterReads", "--organisation", "DEMO", "--device", METERS[7], status=3)
    return facts


def rows_program(silent_port: int) -> str:
    """The program for ``manage.py shell``, which hands no arguments on."""
    given = {"UPGRADE_PASSWORD": PASSWORD, "UPGRADE_SILENT_PORT": str(silent_port)}
    return f"import os\nos.environ.update({given!r})\n{(HERE / 'rows.py').read_text()}"


def wait_for_web(url: str) -> None:
    """Until the web application answers."""

    def answers_now() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(answers_now, "the web application")


def fill_sqlite(root: Path, var: Path) -> tuple[Json, str]:
    """With ``manage.py run``; what it said, and the dump."""
    release, port = Release(root, OSGP_VAR_DIR=str(var)), find_free_port()
    url = f"http://127.0.0.1:{port}"
    with killed_in_the_end(release):
        release.start("python", "manage.py", "run", "--port", str(port))
        wait_for_web(url)
        token = eventually(lambda: read(var / "secrets/api-token"), "a token")
        api = Api(url, token)
        eventually(
            lambda: api.get("/api/v1/requests/?status=SUCCEEDED&page_size=30")["results"][25:], "reads"
        )
        facts = fill(release, api)
    with sqlite3.connect(var / "osgp.sqlite3") as database:
        return facts | {"token": token}, "\n".join(database.iterdump()) + "\n"


def succeeded(api: Api) -> list[Json]:
    """Requests that went well."""
    found: list[Json] = api.get("/api/v1/requests/?status=SUCCEEDED&page_size=100")["results"]
    return found


def read(path: Path) -> str:
    """The text of a file that may not be there yet."""
    return path.read_text() if path.exists() else ""


def fill_postgresql(root: Path, var: Path) -> tuple[Json, str]:
    """With the processes of production; what they said, and the dump."""
    name, port = f"osgp_fill_{secrets.token_hex(4)}", find_free_port()
    url = f"http://127.0.0.1:{port}"
    found = services.find_or_start(os.environ, print)
    with ExitStack() as stack:
        stack.callback(found.close)
        if not services.make_virtual_hosts(found.broker, [name]):
            raise SystemExit("no virtual host of our own on this RabbitMQ")
        stack.callback(services.drop_virtual_hosts, found.broker, [name])
        stack.callback(services.drop_databases, found.database_url, name)
        services.create_database(found.database_url, name)
        database_url = services.replace_path(found.database_url, name)
        release = Release(
            root,
            OSGP_VAR_DIR=str(var),
            DATABASE_URL=database_url,
            BROKER_URL=services.replace_path(found.broker.url, name),
            OSGP_WEB_BIND=f"127.0.0.1:{port}",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        with killed_in_the_end(release):
            release.manage("migrate", "--verbosity", "0")
            release.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "a@example.org")
            release.manage("create_organisation", "DEMO", "--name", "Demonstration")
            printed = release.manage("create_token", "DEMO", "--application", "demo")
            [token] = re.findall(r"osgp_[\w-]{43}", printed)
            fleet = var / "fleet.json"
            release.start("python", "manage.py", "simulate", "--demo", "--port", "0", "--json", str(fleet))
            release.start("gunicorn", "--config", "deploy/gunicorn.conf.py", "osgp.wsgi")
            release.start("python", "manage.py", "dispatch")
            release.start("python", "manage.py", "worker", "--concurrency", "20")
            release.start("celery", "-A", "osgp.celery", "beat", "--pidfile=", "--max-interval", "1")
            wait_for_web(url)
            eventually(fleet.exists, "the simulated meters")
            release.manage("register_fleet", str(fleet), "--api", f"{url}/api/v1", "--token", token)
            facts = fill(release, Api(url, token))
        command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", database_url]
        dumped = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return facts | {"token": token}, without_psql(dumped)


PSQL_ONLY = re.compile(
    r"\\(un)?restrict .*|SET \w+ = [^;]*;|--( (Name|Data for|Dumped|PostgreSQL database) .*)?"
)
"""What only psql understands, what only servers of pg_dump's version know, and comments."""


def without_psql(dumped: str) -> str:
    """A dump that any server from PostgreSQL 13 on takes in one go."""
    kept = [line for line in dumped.splitlines() if not PSQL_ONLY.fullmatch(line)]
    return "\n".join(kept).strip() + "\n"


@contextmanager
def killed_in_the_end(release: Release) -> Iterator[None]:
    """Whatever happens."""
    try:
        yield
    finally:
        release.kill()


def main() -> None:
    """Fill, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", type=Path)
    parser.add_argument("backend", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="osgp-fill-") as directory:
        filling = fill_sqlite if options.backend == "sqlite" else fill_postgresql
        facts, dump = filling(options.release.resolve(), Path(directory))
    describe = ["git", "-C", str(options.release), "rev-parse", "HEAD"]
    facts["release"] = subprocess.run(describe, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    (DUMPS / f"{options.backend}.sql").write_text(dump)
    (DUMPS / f"{options.backend}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
