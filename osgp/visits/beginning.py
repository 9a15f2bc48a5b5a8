"""The start of a visit: claim the meter session, take the first requests, prepare to dial."""

import logging
import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from osgp.faults import Fault
from osgp.processes.database import AWAY, lanes
from osgp.requests import states, work
from osgp.requests.states import ClaimedMeter
from osgp.requests.work import WorkAction, WorkMeter
from osgp.visits.dialling import Dialling
from osgp.visits.leases import Lease
from osgp.visits.outages import PatientLanes
from osgp.visits.preparing import prepare

logger = logging.getLogger(__name__)

OTHER_SUSPECTS_FIRST = timedelta(seconds=4)
"""Roughly how long a suspect waits while the process carries out another one."""


_suspect = threading.Lock()
"""Held by the visit that carries out a suspect, a request that may kill workers: one at a time per process.

When the process dies again, only this one can be to blame.
"""
_sessions: set[uuid.UUID] = set()
"""Meter sessions that a visit of this process has claimed or is about to claim."""
_sessions_lock = threading.Lock()


@dataclass(frozen=True)
class StartedVisit:
    """A visit with a claimed meter session and its first requests; ``fault``: the meter cannot be dialled."""

    meter: WorkMeter
    requests: list[list[WorkAction]]
    dialling: Dialling | None
    fault: Fault | None
    suspect: bool
    """Whether it keeps other suspects waiting, until :meth:`end`."""

    def end(self) -> None:
        """Let other suspects go ahead."""
        if self.suspect:
            _suspect.release()


@contextmanager
def reserving(session_id: uuid.UUID) -> Iterator[bool]:
    """Yield whether this visit is the only one of the process for the meter session.

    A claim that this process makes meanwhile was then made by this visit.
    """
    with _sessions_lock:
        is_alone = session_id not in _sessions
        _sessions.add(session_id)
    try:
        yield is_alone
    finally:
        if is_alone:
            with _sessions_lock:
                _sessions.discard(session_id)


def start_visit(lease: Lease, token: uuid.UUID, worker: str, priority: int) -> StartedVisit | None:
    """Claim the meter session of ``lease`` and take the due requests of its meter.

    Return None if another worker has the meter or nothing is due. If the database goes away meanwhile, hand
    the claim back as soon as it returns, and raise LeaseLost if that is too late. Call it within
    ``reserving``.
    """
    try:
        return lanes.begin(priority, _start, lease, token, worker)
    except AWAY as error:
        database = PatientLanes(lease)
        database.note_outage(error)
        if database.run(_hand_back, lease, worker):
            logger.info("visit %s: handed back because the database was away", lease.session_id)
        return None


def take_requests(session_id: uuid.UUID, meter_id: int, *, suspects: bool = False) -> list[list[WorkAction]]:
    """Take due requests of the meter and return the actions of each. Call it in a lane."""
    limit = settings.OSGP["VISIT_REQUEST_LIMIT"]
    if not states.take_requests(session_id, meter_id, limit, suspects=suspects):
        return []
    return work.list_unfinished(session_id)


def take_more_urgent(session_id: uuid.UUID, meter_id: int, than: int) -> list[list[WorkAction]]:
    """Take due requests with a priority above ``than``. Call it in a lane.

    Return the actions of every request that runs in the meter session, or nothing if none was taken.
    """
    if not states.take_more_urgent(session_id, meter_id, than, settings.OSGP["VISIT_REQUEST_LIMIT"]):
        return []
    return work.list_unfinished(session_id)


# --- In a database lane ------------------------------------------------------------------------------


class _MovedError(Exception):
    """The address of the meter was changed since its session was opened: there is no lease on the new one."""


def _start(lease: Lease, token: uuid.UUID, worker: str) -> StartedVisit | None:
    """Do everything that needs the database before the meter is dialled."""
    lease.begin()
    session_id = lease.session_id
    claimed = states.claim_and_take(session_id, token, worker, settings.OSGP["VISIT_REQUEST_LIMIT"])
    if claimed is None:
        return None
    try:
        return _take_and_prepare(session_id, *claimed)
    except _MovedError:
        logger.info("visit %s: handed back because its meter has another address now", session_id)
        with transaction.atomic():
            states.close(session_id)
            states.hand_back(session_id)
        return None


def _take_and_prepare(
    session_id: uuid.UUID, meter: ClaimedMeter, requests: list[list[WorkAction]]
) -> StartedVisit | None:
    if requests:
        return _prepare(meter, requests)
    if not _suspect.acquire(blocking=False):
        states.postpone_suspects(meter.pk, OTHER_SUSPECTS_FIRST * random.uniform(0.5, 1.5))
        states.close(session_id)
        return None
    try:
        requests = take_requests(session_id, meter.pk, suspects=True)
        if requests:
            return _prepare(meter, requests, suspect=True)
    except BaseException:
        _suspect.release()
        raise
    _suspect.release()
    states.close(session_id)
    return None


def _prepare(meter: ClaimedMeter, requests: list[list[WorkAction]], *, suspect: bool = False) -> StartedVisit:
    prepared = prepare(meter.pk)
    if meter.endpoint not in {None, prepared.meter.endpoint}:
        raise _MovedError
    try:
        return StartedVisit(prepared.meter, requests, Dialling.from_prepared(prepared), None, suspect)
    except Fault as fault:
        return StartedVisit(prepared.meter, requests, None, fault, suspect)


def _hand_back(lease: Lease, worker: str) -> bool:
    """Hand back a claim that was made although its answer was lost; False if there is none.

    Hints may be doubled: leave the claim of another process, or an older one, alone.
    """
    return states.hand_back_claim(lease.session_id, worker, lease.begun_at)
