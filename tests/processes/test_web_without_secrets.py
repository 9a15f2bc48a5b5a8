"""The web application in a process of its own, as it is shipped: with nothing in its environment that opens
keys of meters, and among callers who send half of a call.
"""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from osgp.devices.transport_keys import encrypt_for_platform
from osgp.embedded.client import ApiClient, ApiError
from scripts.private_services import find_free_port
from tests.devices.rsa_keys import write_private, write_public
from tests.processes import PATIENCE, ROOT, eventually

GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "osgp.wsgi"]
DEVICE = {
    "device_identification": "E0099999999999999",
    "device_type": "SMART_METER_E",
    "protocol_name": "SMR",
    "protocol_version": "5.1",
    "communication_method": "LTE",
    "network_address": "10.0.0.1",
    "transport": "WRAPPER",
    "security": "HLS5",
}
KEYS = ("master_key", "authentication_key", "encryption_key")
PREPARE = """
import json, django
django.setup()
from django.contrib import admin
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from osgp.accounts.models import User
from tests import factories

call_command("migrate", verbosity=0)
browser = Client()
browser.force_login(User.objects.create_superuser("operator", "operator@example.org", "secret of operators"))
print(json.dumps({
    "token": factories.make_token(factories.make_organisation()),
    "session": browser.cookies["sessionid"].value,
    "pages": [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
              for model in admin.site._registry],
}))
"""
PERFORM = """
import django
django.setup()
from osgp.visits.platform_requests import perform_due

print(perform_due(10))
"""


@dataclass(frozen=True)
class Installation:
    """A database of its own, and the environments of its processes."""

    web: Mapping[str, str]
    worker: Mapping[str, str]
    token: str
    session: str
    pages: list[str]


def run(program: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_common_environment(directory: Path) -> dict[str, str]:
    """What all processes of an installation have: no secret but Django's."""
    ours = ("OSGP_", "DATABASE_URL", "BROKER_URL", "SECRET_KEY", "PYTEST_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "DJANGO_SETTINGS_MODULE": "osgp.settings",
        "DATABASE_URL": f"sqlite:///{directory / 'osgp.sqlite3'}",
        "BROKER_URL": "memory://localhost",
        "OSGP_VAR_DIR": str(directory),
        "SECRET_KEY": "a secret key of fifty characters is long enough here",
        "LOG_LEVEL": "WARNING",
    }


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    directory = tmp_path_factory.mktemp("installation")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    common = make_common_environment(directory)
    worker = common | {
        "OSGP_KEY_ENCRYPTION_KEYS": f"k1:{base64.b64encode(bytes(range(32))).decode()}",
        "OSGP_RSA_PRIVATE_KEY_FILE": str(write_private(key, directory / "private.pem")),
    }
    web = common | {
        "OSGP_RSA_PUBLIC_KEY_FILE": str(write_public(key, directory / "public.pem")),
        "OSGP_WEB_BIND": f"127.0.0.1:{find_free_port()}",
        "OSGP_WEB_PROCESSES": "1",
    }
    return Installation(web=web, worker=worker, **json.loads(run(PREPARE, worker)))


@pytest.fixture(scope="module")
def server(installation: Installation) -> "Iterator[subprocess.Popen[bytes]]":
    """The web process, which answers."""
    host = installation.web["OSGP_WEB_BIND"]
    with subprocess.Popen(GUNICORN, cwd=ROOT, env=installation.web, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: process.poll() is not None or is_up(host), "the web process answers")
            yield process
        finally:
            process.terminate()


@pytest.fixture
def address(installation: Installation, server: object) -> str:
    """Its host and port."""
    return installation.web["OSGP_WEB_BIND"]


def is_up(host: str) -> bool:
    try:
        return get(host, "/healthz") == 200
    except OSError:
        return False


def get(host: str, path: str, **headers: str) -> int:
    """The status of a page."""
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def calling(address: str, installation: Installation) -> Iterator[ApiClient]:
    with ApiClient(f"http://{address}/api/v1", installation.token) as api:
        yield api


def test_devices_are_added_and_every_page_opens(installation: Installation, address: str) -> None:
    with calling(address, installation) as api:
        public_key = api.get("/configuration/public-key/")["public_key"]
        keys = {name: encrypt_for_platform(public_key, bytes([7]) * 16) for name in KEYS}
        good = api.submit("installation", "add-device", DEVICE | keys)
        short = {"encryption_key": encrypt_for_platform(public_key, bytes(16) + b"8 octets")}
        other = {"device_identification": "E0099999999999998"}
        bad = api.submit("installation", "add-device", DEVICE | other | keys | short)
        with pytest.raises(ApiError, match="/master_key: Must be base64 of 256 bytes"):
            api.submit("installation", "add-device", DEVICE | other | keys | {"master_key": "AAAA"})

    assert run(PERFORM, installation.worker) == "2\n"
    # Meanwhile the server has closed the connection, as it does with idle ones.
    with calling(address, installation) as api:
        answers: list[Any] = [api.get(sent["path"]) for sent in (good, bad)]
    assert [answer["status"] for answer in answers] == ["SUCCEEDED", "FAILED"]
    assert (answers[1]["fault"]["code"], answers[1]["fault"]["pointer"]) == (802, "/encryption_key")

    cookie = f"sessionid={installation.session}"
    pages = [
        "/admin/",
        "/admin/devices/device/1/change/",
        "/admin/requests/request/add/",
        *installation.pages,
    ]
    assert {page: get(address, page, Cookie=cookie) for page in pages} == dict.fromkeys(pages, 200)


HALF = 200
"""Calls without a token, of which there is a third of each kind."""
HEAD = b"POST /api/v1/monitoring/actual-meter-reads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"


def test_callers_who_send_half_of_a_call_stop_nobody(installation: Installation, address: str) -> None:
    host, port = address.split(":")
    with ExitStack() as stack:
        slow = []
        for number in range(HALF):
            caller = stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
            # The head is cut; the body is; and a body comes octet by octet.
            caller.sendall((HEAD, HEAD + b"\r\n{", HEAD + b"\r\n")[number % 3])
            slow.append(caller)
        for _ in range(5):
            for caller in slow[2::3]:
                caller.sendall(b"{")
            assert get(address, "/healthz") == 200
            with calling(address, installation) as api:
                assert "results" in api.get("/requests/")


def test_it_answers_calls_that_have_arrived_before_it_ends(
    installation: Installation, server: "subprocess.Popen[bytes]", address: str
) -> None:
    """A call that waits is answered at once; one that has not arrived as a whole is not waited for."""
    host, port = address.split(":")
    device = DEVICE | {"device_identification": "E0099999999999997", "security": "NONE"}
    with calling(address, installation) as api, socket.create_connection((host, int(port))) as half:
        half.sendall(HEAD)
        sent = api.submit("installation", "add-device", device)
        waiting = http.client.HTTPConnection(address, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {installation.token}", "Prefer": "wait=60"}
        waiting.request("GET", f"/api/v1{sent['path']}", headers=headers)
        # It has arrived once a later call is answered.
        assert get(address, "/healthz") == 200
        server.terminate()
        assert waiting.getresponse().status == 202
        waiting.close()
    assert server.wait(PATIENCE) == 0


def test_without_a_public_key_it_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [*GUNICORN, "--check-config"],
        cwd=ROOT,
        env=make_common_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    assert "OSGP_RSA_PUBLIC_KEY_FILE is not set" in done.stderr
