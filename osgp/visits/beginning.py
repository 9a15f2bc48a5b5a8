"""How a visit begins: its session is claimed, its first work taken, and the call prepared."""

import logging
import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from osgp.faults import Fault
from osgp.processes.database import AWAY, lanes
from osgp.requests import states, work
from osgp.requests.work import WorkAction, WorkMeter
from osgp.visits.dialling import Dialling
from osgp.visits.leases import Lease
from osgp.visits.outages import PatientLanes
from osgp.visits.preparing import prepare

logger = logging.getLogger(__name__)

OTHER_SUSPECTS_FIRST = timedelta(seconds=4)
"""How long a request waits, about, while another one that may kill the process is carried out."""


_suspect = threading.Lock()
"""Held by the visit with a request that may be what kills workers: one at a time in a process.

When it dies once more, only one of those that were there every time is to blame, and the others go free.
"""
_sessions: set[uuid.UUID] = set()
"""Those that a visit of this process has, or is about to claim."""
_sessions_lock = threading.Lock()


@dataclass(frozen=True)
class StartedVisit:
    """A claimed session with its first work; ``fault`` when the meter cannot even be dialled."""

    meter: WorkMeter
    requests: list[list[WorkAction]]
    dialling: Dialling | None
    fault: Fault | None
    suspect: bool
    """Whether it holds back other suspects, see :meth:`end`."""

    def end(self) -> None:
        """The visit is over."""
        if self.suspect:
            _suspect.release()


@contextmanager
def reserving(session_id: uuid.UUID) -> Iterator[bool]:
    """Whether no other visit of this process has to do with the session.

    So a claim that this process made while it lasts was made by this visit.
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
    """Claim the lease's session and take what is due; None when that is somebody else's or nothing is due.

    When the database goes away meanwhile, what was claimed is handed back as soon as it is there again.
    Raises LeaseLost when that is too late. To be called ``alone``.
    """
    try:
        return lanes.begin(priority, _start, lease, token, worker)
    except AWAY as error:
        database = PatientLanes(lease)
        database.note_outage(error)
        if database.run(_hand_back, lease, worker):
            logger.info("session %s: handed back, as the database was away", lease.session_id)
        return None


def take_requests(session_id: uuid.UUID, meter_id: int, *, suspects: bool = False) -> list[list[WorkAction]]:
    """Take due requests of the session's meter, in a lane; the actions of each."""
    limit = settings.OSGP["VISIT_REQUEST_LIMIT"]
    if not states.take_requests(session_id, meter_id, limit, suspects=suspects):
        return []
    return work.list_unfinished(session_id)


def take_more_urgent(session_id: uuid.UUID, meter_id: int, than: int) -> list[list[WorkAction]]:
    """Take due requests that are more urgent than that, in a lane; if any, the actions of all that run."""
    if not states.take_more_urgent(session_id, meter_id, than, settings.OSGP["VISIT_REQUEST_LIMIT"]):
        return []
    return work.list_unfinished(session_id)


# --- In a database lane ------------------------------------------------------------------------------


def _start(lease: Lease, token: uuid.UUID, worker: str) -> StartedVisit | None:
    """Claim, take what is due and prepare to dial: all that needs the database before the meter does."""
    lease.begin()
    session_id = lease.session_id
    claimed = states.claim_and_take(session_id, token, worker, settings.OSGP["VISIT_REQUEST_LIMIT"])
    if claimed is None:
        return None
    meter_id, requests = claimed
    if requests:
        return _prepare(meter_id, requests)
    if not _suspect.acquire(blocking=False):
        states.postpone_suspects(meter_id, OTHER_SUSPECTS_FIRST * random.uniform(0.5, 1.5))
        states.close(session_id)
        return None
    try:
        requests = take_requests(session_id, meter_id, suspects=True)
        if requests:
            return _prepare(meter_id, requests, suspect=True)
    except BaseException:
        _suspect.release()
        raise
    _suspect.release()
    states.close(session_id)
    return None


def _prepare(meter_id: int, requests: list[list[WorkAction]], *, suspect: bool = False) -> StartedVisit:
    prepared = prepare(meter_id)
    try:
        return StartedVisit(prepared.meter, requests, Dialling.from_prepared(prepared), None, suspect)
    except Fault as fault:
        return StartedVisit(prepared.meter, requests, None, fault, suspect)


def _hand_back(lease: Lease, worker: str) -> bool:
    """Whether something was claimed after all, and is others' now.

    Hints may be doubled: the claim of another process, or an older one, is not touched.
    """
    return states.hand_back_claim(lease.session_id, worker, lease.begun_at)
