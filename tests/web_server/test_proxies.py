"""What is believed of a call that came through a proxy."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.log_lines import RefusalsInALine
from osgp.requests.models import Request
from osgp.trusted_proxies import TrustedProxyMiddleware
from tests import factories

PROXY, OTHER_PROXY, CALLER = "10.9.0.1", "fd00::9", "198.51.100.7"


@pytest.fixture(autouse=True)
def _proxies(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"TRUSTED_PROXIES": ["10.9.0.0/24", "fd00::/64"]}


def ask(**headers: str) -> tuple[str, str, str]:
    """Address, scheme and host of a call from there, as views see them."""
    request = HttpRequest()
    request.META = {"wsgi.url_scheme": "http", "HTTP_HOST": "web:8000", **headers}

    def answer(request: HttpRequest) -> HttpResponse:
        meta = request.META
        return HttpResponse(" ".join([meta["REMOTE_ADDR"], meta["wsgi.url_scheme"], meta["HTTP_HOST"]]))

    response: Any = TrustedProxyMiddleware(answer)(request)
    address, scheme, host = response.content.decode().split(" ")
    return address, scheme, host


SAID = {
    "HTTP_X_FORWARDED_FOR": CALLER,
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "osgp.example.org",
}


@pytest.mark.parametrize("proxy", [PROXY, OTHER_PROXY, f"::ffff:{PROXY}"])
def test_a_trusted_proxy_is_believed(proxy: str) -> None:
    assert ask(REMOTE_ADDR=proxy, **SAID) == (CALLER, "https", "osgp.example.org")


@pytest.mark.parametrize("caller", [CALLER, "10.9.1.1", "", "nonsense"])
def test_nobody_else_is(caller: str) -> None:
    assert ask(REMOTE_ADDR=caller, **SAID) == (caller, "http", "web:8000")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (f"192.0.2.1, {CALLER}", CALLER),
        (f"192.0.2.1, {CALLER}, 10.9.0.2", CALLER),
        (f"{CALLER}:4711, [fd00::2]:80", CALLER),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("10.9.0.2, 10.9.0.3", "10.9.0.2"),
        ("nonsense", PROXY),
        (f"{CALLER}, nonsense, 10.9.0.2", "10.9.0.2"),
        ("", PROXY),
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(forwarded: str, address: str) -> None:
    """What stands before it may be made up by the caller."""
    assert ask(REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=forwarded)[0] == address


@pytest.mark.parametrize(
    ("said", "scheme"), [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("gopher", "http")]
)
def test_the_scheme_is_what_the_nearest_proxy_says(said: str, scheme: str) -> None:
    assert ask(REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_PROTO=said)[1] == scheme


@pytest.fixture
def over_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 3600
    settings.ALLOWED_HOSTS = ["osgp.example.org"]


def through(proxy: str, **headers: str) -> dict[str, str]:
    return {"REMOTE_ADDR": proxy, "HTTP_HOST": "web:8000", **SAID, **headers}


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
def test_operators_log_in_through_a_proxy_on_another_host() -> None:
    get_user_model().objects.create_superuser("op", password="a password of some length")
    client = Client(enforce_csrf_checks=True)
    url = reverse("admin:login")
    page = client.get(url, **through(PROXY))
    assert page["Strict-Transport-Security"] == "max-age=3600"
    assert client.cookies["csrftoken"]["secure"]
    form = {
        "username": "op",
        "password": "a password of some length",
        "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
    }
    origin = {"HTTP_ORIGIN": "https://osgp.example.org", "HTTP_REFERER": f"https://osgp.example.org{url}"}
    assert client.post(url, form, **through(PROXY, **origin)).status_code == 302
    assert client.get("/admin/", **through(PROXY)).status_code == 200


@pytest.mark.usefixtures("over_https")
def test_without_tls_pages_are_redirected_and_calls_refused() -> None:
    plain = through(PROXY, HTTP_X_FORWARDED_PROTO="http")
    page = Client().get("/admin/", **plain)
    assert (page.status_code, page["Location"]) == (301, "https://osgp.example.org/admin/")
    call = Client().post("/api/v1/bundle/", **plain)
    assert call.status_code == 403
    assert "token" in call.json()["detail"]
    assert Client().get("/healthz", HTTP_HOST="osgp.example.org").status_code == 200


@pytest.mark.django_db
def test_links_to_pages_name_no_host(organisation: Organisation, settings: Settings) -> None:
    """A client that follows one sends its token there."""
    settings.ALLOWED_HOSTS = ["localhost"]
    device = factories.make_device(owner=organisation)
    for _ in range(2):
        factories.make_request(organisation, device)
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {factories.make_token(organisation)}")
    first = api.get("/api/v1/requests/?page_size=1", HTTP_HOST="localhost")
    link = first["Link"].partition(">")[0].lstrip("<")
    assert link.startswith("/api/v1/requests/?")
    assert len(api.get(link, HTTP_HOST="localhost").json()["results"]) == 1
    assert Request.objects.count() == 2


@pytest.mark.django_db
def test_answers_are_not_to_be_kept(organisation: Organisation) -> None:
    api = APIClient()
    assert api.get("/api/v1/requests/")["Cache-Control"] == "no-store"
    assert "no-store" in Client().get(reverse("admin:login"))["Cache-Control"]


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    """What a handler with the filter of the platform is given."""
    kept: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    handler = Keeping()
    handler.addFilter(RefusalsInALine())
    logging.getLogger("django.security").addHandler(handler)
    yield kept
    logging.getLogger("django.security").removeHandler(handler)


def test_senseless_calls_leave_a_line_and_no_traceback(lines: list[logging.LogRecord]) -> None:
    assert Client().get("/healthz", HTTP_HOST="no..host").status_code == 400
    [record] = lines
    assert "no..host" in record.getMessage()
    assert record.exc_info is None
