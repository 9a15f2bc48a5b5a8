"""Liveness and readiness of the process, for load balancers and orchestrators. No authentication."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError as BrokerError

from osgp.celery import app
from osgp.processes import clocks
from osgp.processes.health import lookout
from osgp.requests.liveness import SILENT_AFTER, find_heartbeat_age

logger = logging.getLogger(__name__)

CHECKED_EVERY = 2.0
"""Seconds for which readyz keeps its answer, so that frequent calls cost nothing."""
BROKER_TIMEOUT = 3
"""Seconds for the single attempt to connect to the broker."""
PATIENCE = 5.0
"""Seconds that a call waits for the checks of another one, so that calls do not occupy all threads."""

_checking = threading.Lock()
_checked_at = float("-inf")
_checks: dict[str, str] = {}
_migrated = False


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and has all migrations, its clock and this machine's agree, the
    broker accepts a connection, and a dispatcher has a recent heartbeat; else 503.

    Other processes whose clocks are off are told as a warning: this one is as good as before.
    """
    checks = _run_checks()
    ready = set(checks.values()) == {"ok"}
    body: dict[str, Any] = {"status": "ok" if ready else "unavailable", "checks": checks}
    if checks["database"] == "ok" and (warnings := list(_warn())):
        body["warnings"] = warnings
    return JsonResponse(body, status=200 if ready else 503)


def _warn() -> Iterator[str]:
    """Tell what is wrong with other processes, without their names: whoever asks is not known."""
    try:
        off = lookout.look().clocks_off
    except (DatabaseError, InterfaceError):
        return
    if off and off[0].clock is not None:
        of = ", ".join(sorted({each.kind for each in off}))
        yield (
            f"The clocks of {len(off)} other processes ({of}) and of the database differ, "
            f"by {abs(off[0].clock.seconds):.1f} s at most."
        )


def _run_checks() -> dict[str, str]:
    """Return recent results of the checks, or run them; all unknown if another call takes too long."""
    global _checked_at, _checks
    if not _checking.acquire(timeout=PATIENCE):
        logger.warning("not ready: the checks of another call take too long")
        return dict.fromkeys(_CHECKS, "unknown")
    try:
        if time.monotonic() - _checked_at >= CHECKED_EVERY:
            _checks = {name: check() for name, check in _CHECKS.items()}
            _checked_at = time.monotonic()
        return _checks
    finally:
        _checking.release()


def _check_database() -> str:
    try:
        clocks.measure()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("not ready: the database does not answer: %s", error)
        return "unreachable"
    return "ok"


def _check_dispatcher() -> str:
    try:
        age = find_heartbeat_age()
    except (DatabaseError, InterfaceError):
        return "unknown"
    if age is None or age > SILENT_AFTER:
        since = "yet" if age is None else f"for {age}"
        logger.warning("not ready: no dispatcher has been seen %s", since)
        return "silent"
    return "ok"


def _check_migrations() -> str:
    """Check that all migrations are applied. Once they are, they stay so for this process."""
    global _migrated
    if not _migrated:
        try:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        except (DatabaseError, InterfaceError):
            return "unknown"
    return "ok" if _migrated else "missing"


def _check_broker() -> str:
    with app.connection_for_write(connect_timeout=BROKER_TIMEOUT) as broker:
        refusals: tuple[type[BaseException], ...] = (OSError, BrokerError, *broker.connection_errors)
        try:
            broker.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        except refusals as error:
            logger.warning("not ready: the broker does not answer: %s", error)
            return "unreachable"
    return "ok"


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _check_database,
    "clock": clocks.judge,
    "migrations": _check_migrations,
    "broker": _check_broker,
    "dispatcher": _check_dispatcher,
}
