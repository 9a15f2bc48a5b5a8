"""The parts of the embedded platform, each started and stopped on its own."""

import http.client
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.signals import request_finished
from django.db import connection
from pytest_django import Settings

from osgp.accounts.models import ApiToken, User
from osgp.celery import app
from osgp.embedded import first_start
from osgp.embedded.dispatching import DispatcherThread
from osgp.embedded.platform import EmbeddedPlatform
from osgp.embedded.web import PortInUse, WebThread
from osgp.embedded.worker import WorkerThread
from osgp.protocol_dlms.transport.destinations import may_dial
from osgp.simulator import Fleet
from tests import processes

LOCALHOST = "127.0.0.1"
database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task() -> Iterator[tuple[Callable[[], object], threading.Event, threading.Event]]:
    """A task that tells that it runs and ends when it may."""
    running, may_end = threading.Event(), threading.Event()

    @app.task(name="tests.wait")
    def wait() -> None:
        running.set()
        may_end.wait(180)

    yield lambda: wait.apply_async(queue="system"), running, may_end
    may_end.set()
    del app.tasks["tests.wait"]


def test_the_worker_runs_tasks_and_finishes_them_before_it_stops(
    task: tuple[Callable[[], object], threading.Event, threading.Event],
) -> None:
    send, running, may_end = task
    stopped = threading.Event()

    def work() -> None:
        with WorkerThread(concurrency=2):
            send()
            assert running.wait(180)
        stopped.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert running.wait(180)
    assert not stopped.wait(0.3)
    may_end.set()
    thread.join(180)
    assert stopped.is_set()


def test_the_worker_can_be_started_again(
    task: tuple[Callable[[], object], threading.Event, threading.Event],
) -> None:
    send, running, may_end = task
    may_end.set()
    for _ in range(2):
        running.clear()
        with WorkerThread(concurrency=1):
            send()
            assert running.wait(180)


@database
def test_the_web_application_answers_and_gives_its_port_back() -> None:
    with WebThread("127.0.0.1", 0) as web:
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        with pytest.raises(PortInUse, match=f"make run PORT={web.port + 1}"):
            WebThread("127.0.0.1", web.port)
    WebThread("127.0.0.1", web.port).close()


@database
def test_threads_of_the_web_application_keep_no_database_connection() -> None:
    kept: list[bool] = []

    def look(**_: object) -> None:
        kept.append(connection.connection is not None)

    with WebThread("127.0.0.1", 0) as web:
        request_finished.connect(look)
        try:
            client = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
            client.request("GET", "/readyz")
            client.getresponse().read()
            client.close()
            # The answer is read before the request is finished.
            processes.eventually(lambda: kept, "the end of the request")
        finally:
            request_finished.disconnect(look)
    assert kept == [False]


def test_an_address_of_another_machine_is_no_port_in_use() -> None:
    with pytest.raises(OSError, match="assign"):
        WebThread("192.0.2.1", 0)


@database
def test_the_dispatcher_stops_when_it_is_left() -> None:
    with DispatcherThread():
        assert [thread for thread in threading.enumerate() if thread.name == "dispatcher"]
    assert not [thread for thread in threading.enumerate() if thread.name == "dispatcher"]


@database
def test_the_first_start_may_be_repeated(own_secrets: Path) -> None:
    first = first_start.prepare_access()
    assert first_start.prepare_access() == first
    assert ApiToken.objects.get().digest == ApiToken.compute_digest(first.token)
    assert User.objects.get().is_superuser
    assert {file.name for file in own_secrets.iterdir()} == {"api-token", "admin-password"}


@database
@pytest.mark.usefixtures("own_secrets")
def test_a_token_that_is_no_longer_valid_is_replaced() -> None:
    first = first_start.prepare_access()
    ApiToken.objects.update(revoked_at="2020-01-01T00:00:00Z")
    second = first_start.prepare_access()
    assert second.token != first.token
    assert ApiToken.objects.filter(digest=ApiToken.compute_digest(second.token), revoked_at=None).exists()


@database
@pytest.mark.usefixtures("own_secrets")
def test_a_password_that_an_operator_changed_stays() -> None:
    first_start.prepare_access()
    user = User.objects.get()
    user.set_password("chosen by the operator")
    user.save()
    first_start.prepare_access()
    user.refresh_from_db()
    assert user.check_password("chosen by the operator")


def test_secrets_do_not_show() -> None:
    access = first_start.Access(token="osgp_secret", admin="admin", password="hidden")
    assert "secret" not in repr(access)
    assert "hidden" not in repr(access)


def test_queues_of_the_embedded_worker_exist() -> None:
    from osgp.embedded.worker import LIVE_QUEUES

    assert set(LIVE_QUEUES) <= {queue.name for queue in django_settings.CELERY_TASK_QUEUES}


def test_its_own_ports_are_never_dialled_as_those_of_a_meter(tmp_path: Path, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"PUSH_SPOOL_DIR": str(tmp_path)}
    platform = EmbeddedPlatform(lambda push_to: Fleet.build(1, "SMR-5.1"), push_port=0)
    try:
        for port in (platform.web.port, platform.listener.tcp_port):
            assert not may_dial(LOCALHOST, port)
        assert may_dial(LOCALHOST, 1)
    finally:
        platform.close()
    assert may_dial(LOCALHOST, platform.web.port)
