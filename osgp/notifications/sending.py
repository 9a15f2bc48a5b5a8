"""Sending the claimed deliveries of a run: no database, a few threads at most, each with one connection."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus

from django.conf import settings

from osgp import platform_time
from osgp.events.models import make_message_id
from osgp.events.receivers import parse_url
from osgp.notifications import signing
from osgp.notifications.dialling import SendError
from osgp.notifications.http import Receiver
from osgp.notifications.runs import Run
from osgp.notifications.schedule import Outcome
from osgp.notifications.states import ClaimedDelivery
from osgp.processes.stopping import stop

logger = logging.getLogger(__name__)

MOST_IN_FLIGHT = 4
"""Attempts at a time to one endpoint, over as many connections."""
DELIVERIES_PER_CONNECTION = 5
"""With fewer deliveries another connection is not worth its TLS handshake."""
AGENT = "osgp-notifications/1"


class Sender:
    """Sends the slices of one run over connections that it keeps until it is closed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._receivers: list[Receiver] = []
        self._lock = threading.Lock()
        self._waiting: deque[ClaimedDelivery] = deque()
        self._outcomes: list[tuple[ClaimedDelivery, Outcome]] = []

    def send(self) -> list[tuple[ClaimedDelivery, Outcome]]:
        """Attempt the deliveries of the run, and return what came of them.

        Those are missing for which there was no time, and those after a failure that holds the endpoint back.
        """
        self._waiting, self._outcomes = deque(self._run.deliveries), []
        number = self._choose_number()
        while len(self._receivers) < number:
            self._receivers.append(Receiver())
        first, *others = self._receivers[:number]
        threads = [
            threading.Thread(target=self._work, args=(receiver,), name="webhook-sender", daemon=True)
            for receiver in others
        ]
        for thread in threads:
            thread.start()
        self._work(first)
        for thread in threads:
            thread.join()
        return self._outcomes

    def close(self) -> None:
        """Hang up."""
        for receiver in self._receivers:
            receiver.close()

    def _choose_number(self) -> int:
        """An endpoint that failed lately gets one attempt at a time."""
        if self._run.circuit.consecutive_failures:
            return 1
        wanted = 1 + (len(self._waiting) - 1) // DELIVERIES_PER_CONNECTION
        return min(wanted, MOST_IN_FLIGHT)

    def _work(self, receiver: Receiver) -> None:
        while self._run.may_go_on and not stop.is_requested:
            try:
                delivery = self._waiting.popleft()
            except IndexError:
                return
            outcome = self._attempt(receiver, delivery)
            with self._lock:
                self._outcomes.append((delivery, outcome))
                self._run.note(outcome)

    def _attempt(self, receiver: Receiver, delivery: ClaimedDelivery) -> Outcome:
        started = time.monotonic()
        status, error, response, retry_after = None, "", "", None
        try:
            url = parse_url(delivery.url or self._run.endpoint.url)
            body = write_body(delivery.kind, delivery.data)
            signed = signing.make_headers(
                make_message_id(delivery.subject),
                int(platform_time.now().timestamp()),
                body,
                self._run.secrets,
            )
            deadline = started + settings.OSGP["WEBHOOK_DEADLINE"].total_seconds()
            headers = {"Content-Type": "application/json", "User-Agent": AGENT, **signed}
            status, response, retry_after = receiver.post(url, headers, body, deadline)
            if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                error = f"The receiver answered {status}."
        except (SendError, ValueError) as problem:
            error = str(problem)
        except Exception:
            # One that cannot be sent must not keep the others from being sent again and again. URLs may hold
            # secrets of receivers, and stay out of the log.
            logger.exception("a notification of endpoint %d could not be sent", self._run.endpoint.pk)
            error = "The platform failed to send it; its log tells why."
        return Outcome(platform_time.now(), time.monotonic() - started, status, error, response, retry_after)


def write_body(kind: str, data: Mapping[str, object]) -> bytes:
    """Return the body of a notification, whose octets are what is signed."""
    return json.dumps({"type": kind, "data": data}, ensure_ascii=False, separators=(",", ":")).encode()
