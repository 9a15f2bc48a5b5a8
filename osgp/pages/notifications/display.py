"""How endpoints and deliveries are named on pages, and what is said of their states.

Paths and queries of URLs may hold secrets of receivers. Pages show them to those who may see endpoints; the
history and messages, which are kept, name no more than host and port.
"""

from datetime import datetime
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp import platform_time
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.notifications.schedule import Circuit
from osgp.pages.shared.display_text import NOTHING, draw_badge, format_moment
from osgp.pages.shared.page import get_page_url

LONGEST_NAME = 36
"""Characters of a URL where others stand beside it."""
WITHOUT_HOST = "(no host)"


def name_url(url: str) -> str:
    """Host and port of a URL, with its scheme unless that is https: ``https://a.nl/x?y`` -> ``a.nl``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return WITHOUT_HOST
    host = parts.netloc.rpartition("@")[2] or WITHOUT_HOST
    if parts.scheme == "https":
        host = host.removesuffix(":443")
    return cut(host if parts.scheme in ("https", "") else f"{parts.scheme}://{host}")


def shorten_url(url: str) -> str:
    """As ``name_url``, with the path: ``a.nl/x?…``. Two endpoints at one host differ in it."""
    name = name_url(url)
    if name.endswith("…") or name == WITHOUT_HOST:
        return name
    parts = urlsplit(url)
    path = parts.path.removesuffix("/")
    return cut(f"{name}{path}{'?…' if parts.query else ''}")


def cut(text: str) -> str:
    """At most LONGEST_NAME characters of a text, and a mark if there are more."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def name_endpoint(endpoint: Endpoint) -> str:
    """Where an endpoint is, without what may be secret of its URL: for what is kept."""
    return name_url(endpoint.url or endpoint.origin)


def show_endpoint(endpoint: Endpoint) -> str:
    """Where an endpoint is, for pages."""
    return shorten_url(endpoint.url or endpoint.origin)


def show_receiver(delivery: Delivery) -> str:
    """Where a delivery goes: to the URL of its request, or to that of its endpoint."""
    return shorten_url(delivery.url) if delivery.url else show_endpoint(delivery.endpoint)


def is_open(endpoint: Endpoint) -> bool:
    """Whether it failed so often that only one delivery at a time tries it."""
    circuit = Circuit(endpoint.consecutive_failures, endpoint.retry_at)
    return circuit.is_open(settings.OSGP["WEBHOOK_CIRCUIT_FAILURES"])


def draw_endpoint_state(endpoint: Endpoint) -> SafeString:
    """Whether it is sent to, as a badge, and what there is to say of it in a few words."""
    if endpoint.deleted_at is not None:
        return draw_badge("DELETED")
    if endpoint.paused_at is not None:
        return _add(draw_badge("PAUSED"), format_html("since {}", format_moment(endpoint.paused_at)))
    failures = endpoint.consecutive_failures
    if not failures:
        return draw_badge("ACTIVE")
    if not is_open(endpoint):
        return _add(draw_badge("FAILING", tone="warning"), f"{failures} in a row")
    retry_at = endpoint.retry_at
    until = "next try now"
    if retry_at is not None and retry_at > platform_time.now():
        until = format_html("until {}", format_moment(retry_at))
    return _add(draw_badge("CIRCUIT OPEN", tone="bad"), until)


def draw_delivery_state(delivery: Delivery) -> SafeString:
    """The state as a badge; one that waits after a failure is told from one that was not tried yet."""
    waits_again = delivery.state == DeliveryState.PENDING and delivery.attempts > 0
    return draw_badge(delivery.state, tone="warning" if waits_again else "")


def describe_last_failure(endpoint: Endpoint) -> SafeString:
    """When an endpoint failed last; why, if nothing was delivered since."""
    if endpoint.last_failure_at is None:
        return NOTHING
    return _add(format_moment(endpoint.last_failure_at), endpoint.last_error)


def find_next_attempt(delivery: Delivery) -> datetime | None:
    """When a delivery is attempted next, at the earliest; None if nobody knows, or it is over."""
    endpoint = delivery.endpoint
    if delivery.state != DeliveryState.PENDING or endpoint.paused_at or endpoint.deleted_at:
        return None
    # A test is due before it was made, to go first.
    due_at = max(delivery.due_at, delivery.created_at)
    return due_at if endpoint.retry_at is None else max(due_at, endpoint.retry_at)


def describe_next_attempt(delivery: Delivery) -> SafeString:
    """When a delivery is attempted next, or why it is not."""
    if delivery.state != DeliveryState.PENDING or delivery.endpoint.deleted_at is not None:
        return NOTHING
    next_at = find_next_attempt(delivery)
    if next_at is None:
        return format_html('<span class="quiet">{}</span>', "when resumed")
    if next_at <= platform_time.now():
        return format_html('<span class="quiet">{}</span>', "due")
    return format_moment(next_at)


def link_endpoint(endpoint: Endpoint, text: str) -> SafeString:
    """The page of a registered endpoint. Those of URLs of requests have none."""
    if endpoint.is_implicit:
        return format_html('{} <span class="quiet">{}</span>', text, "of the request")
    if endpoint.deleted_at is not None:
        return format_html('{} <span class="quiet">{}</span>', text, "deleted")
    return format_html('<a href="{}">{}</a>', get_page_url(endpoint, endpoint.pk), text)


def get_deliveries_url(endpoint: Endpoint, state: str = "") -> str:
    """The list of its deliveries, in one state or all; ``state`` is a choice of StateFilter."""
    query = {"endpoint": str(endpoint.pk)} | ({"state": state} if state else {})
    return f"{reverse('admin:notifications_delivery_changelist')}?{urlencode(query)}"


def _add(first: SafeString, quiet: SafeString | str) -> SafeString:
    return format_html('{} <span class="quiet">{}</span>', first, quiet) if quiet else first
