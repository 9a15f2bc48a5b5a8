"""Sealing, by one worker at a time, several times a second; and sending on what is sealed.

Dispatchers see to it that there is one (duties.py). It keeps nothing in memory: another one goes on from the
database.
"""

import json
import logging
import time
import uuid
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from osgp.audit import chain, forwarding, sealing
from osgp.audit.models import AuditSeal, AuditSealing
from osgp.processes.database import AWAY, format_in_one_line, lanes
from osgp.processes.stopping import stop
from osgp.sql import add_to_now

logger = logging.getLogger(__name__)
head_logger = logging.getLogger("osgp.audit.head")

ROW = 1
LEASE = timedelta(seconds=15)
"""After this time a silent attendant is replaced."""
RENEW_EVERY = 5.0
"""Seconds."""
PAUSE = 0.3
"""Seconds between two looks."""
PAUSE_AWAY = 1.0
"""Seconds before the next look when the database is away, the key is, or what is sent on is not taken."""
TELL_EVERY = 60.0
"""Seconds between two lines with the head of the chain, as long as it changes."""
LONGEST = 60.0
"""Seconds of one task; it is followed by another one."""


def is_attended() -> bool:
    """Whether there is an attendant that gave a sign of life lately."""
    return AuditSealing.objects.filter(pk=ROW, attended_until__gte=Now()).exists()


def attend() -> bool:
    """Be the attendant for a while; return at once, and False, if another process is."""
    own = uuid.uuid4()
    if not lanes.run(_take_over, own):
        return False
    renewed = began = time.monotonic()
    teller, sender = HeadTeller(), forwarding.make_sender()
    try:
        while time.monotonic() < began + LONGEST and not stop.is_requested:
            pause = PAUSE
            try:
                if time.monotonic() >= renewed + RENEW_EVERY:
                    if not lanes.run(_take_over, own):
                        return True
                    renewed = time.monotonic()
                for seal in lanes.run(sealing.seal_all):
                    teller.note(seal)
                if sender is not None:
                    while forwarding.send_some(sender):
                        pass
            except AWAY as error:
                logger.warning("the audit trail waits to be sealed: %s", format_in_one_line(error))
                pause = PAUSE_AWAY
            except (chain.KeyProblem, OSError) as error:
                logger.warning("the audit trail waits to be sealed or sent on: %s", error)
                pause = PAUSE_AWAY
            teller.tell()
            time.sleep(pause)
    finally:
        teller.tell(at_once=True)
        if sender is not None:
            sender.close()
        _leave(own)
    return True


class HeadTeller:
    """Says the last seal in the log now and then, as one line of JSON, so that it can be kept elsewhere."""

    def __init__(self) -> None:
        self._seal: AuditSeal | None = None
        self._told_at = float("-inf")

    def note(self, seal: AuditSeal) -> None:
        """Take a new seal."""
        self._seal = seal

    def tell(self, *, at_once: bool = False) -> None:
        """Log the last seal, unless it was logged already or that was a moment ago."""
        if self._seal is None or (not at_once and time.monotonic() < self._told_at + TELL_EVERY):
            return
        told = {
            "position": self._seal.position,
            "hash": self._seal.hash,
            "sealed_at": chain.format_time(self._seal.sealed_at),
            "top": self._seal.top,
        }
        head_logger.info("%s", json.dumps({"audit_head": told}))
        self._seal, self._told_at = None, time.monotonic()


def _take_over(own: uuid.UUID) -> bool:
    AuditSealing.objects.get_or_create(pk=ROW)
    free = Q(attendant=own) | Q(attended_until__isnull=True) | Q(attended_until__lt=Now())
    rows = AuditSealing.objects.filter(free, pk=ROW)
    return bool(rows.update(attendant=own, attended_until=add_to_now(LEASE)))


def _leave(own: uuid.UUID) -> None:
    try:
        lanes.run(AuditSealing.objects.filter(attendant=own).update, attendant=None, attended_until=None)
    except AWAY as error:
        logger.warning("the next to seal the audit trail has to wait: %s", format_in_one_line(error))
