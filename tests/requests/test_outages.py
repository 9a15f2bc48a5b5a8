"""The web application while the database is away, and when it is back."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.admin.sites import AdminSite
from django.contrib.sessions.backends.db import SessionStore
from django.core.wsgi import get_wsgi_application
from django.db import InterfaceError, OperationalError, connection
from django.test import Client, RequestFactory
from psycopg2.errors import QueryCanceled

from osgp.accounts.models import Organisation, User
from osgp.processes.database import replace_lost_connection
from osgp.stream.threads import DatabaseThreads
from tests.factories import make_token
from tests.processes import PATIENCE, disconnect_others, eventually


@pytest.fixture
def operator(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("operator", "o@example.org", "secret of operators"))
    browser.raise_request_exception = False
    return browser


def count_others() -> int:
    """How many connections of others the database has."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_pages_say_that_the_database_is_away(
    operator: Client, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(AdminSite, "index", failing(error("connection to 10.0.0.1 failed")))
    answer = operator.get("/admin/")
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "5", "no-store")
    page = answer.content.decode()
    assert "The database does not answer" in page
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "10.0.0.1" not in page
    page = operator.post("/admin/").content.decode()
    assert "is not known" in page
    assert "refresh" not in page


def test_so_do_they_without_knowing_who_asks(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As during a real outage, in which the session cannot be looked up either."""
    monkeypatch.setattr(SessionStore, "load", failing(OperationalError()))
    assert operator.get("/admin/requests/request/").status_code == 503


def test_so_do_they_when_a_session_cannot_be_stored(
    operator: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That fails after the view."""
    monkeypatch.setattr(SessionStore, "save", failing(OperationalError()))
    answer = operator.post("/admin/login/", {"username": "operator", "password": "secret of operators"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_page_that_takes_too_long_says_so(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OperationalError("canceling statement")
    error.__cause__ = QueryCanceled()
    monkeypatch.setattr(AdminSite, "index", failing(error))
    answer = operator.get("/admin/")
    assert answer.status_code == 503
    assert "Retry-After" not in answer
    assert b"Ask for less" in answer.content


def test_other_errors_of_pages_are_errors(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdminSite, "index", failing(RuntimeError("a programming error")))
    assert operator.get("/admin/").status_code == 500


@pytest.mark.django_db(transaction=True)
def test_all_threads_answer_once_the_database_is_back(organisation: Organisation, operator: Client) -> None:
    """Each has a connection that the server ended meanwhile."""
    headers = {"Authorization": f"Bearer {make_token(organisation)}"}
    cookie = {"Cookie": f"sessionid={operator.cookies['sessionid'].value}"}
    application = get_wsgi_application()
    together = threading.Barrier(3)

    def call(caller: dict[str, str]) -> str:
        # In one thread each.
        together.wait(PATIENCE)
        told: list[str] = []
        path = "/admin/" if caller is cookie else "/api/v1/requests/"
        environ = RequestFactory().get(path, headers=caller).environ

        def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
            told.append(status)
            return lambda _: None

        answer = application(environ, start_response)
        assert connection.connection is not None
        list(answer)
        answer.close()
        return told[0]

    def close(_: int) -> None:
        together.wait(PATIENCE)
        connection.close()

    with ThreadPoolExecutor(3) as threads:
        for _ in range(2):
            assert list(threads.map(call, [headers, cookie, headers])) == ["200 OK"] * 3
            disconnect_others()
            eventually(lambda: not count_others(), "the server to have ended all connections")
        list(threads.map(close, range(3)))


@pytest.mark.django_db(transaction=True)
def test_so_do_the_threads_of_the_stream() -> None:
    threads = DatabaseThreads(1, "tests")
    try:
        for _ in range(2):
            assert asyncio.run(threads.run(User.objects.count)) == 0
            disconnect_others()
            eventually(lambda: not count_others(), "the server to have ended all connections")
    finally:
        threads.close()


@pytest.mark.django_db(transaction=True)
def test_what_the_server_says_unasked_costs_no_connection() -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("LISTEN tests_outages")
        held = connection.connection
        cursor.execute("SELECT pg_backend_pid()")
        [own] = cursor.fetchone()

    def notify() -> None:
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY tests_outages")
        connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(notify).result(PATIENCE)
    replace_lost_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() == (own,)
    assert connection.connection is held
    connection.close()
