"""A watchdog for Celery worker processes, and an orderly end within a deadline.

`manage.py worker` has Celery import this module (``--include``); a worker in a thread does without.
"""

import os
from typing import Any

from celery import bootsteps, signals
from django.conf import settings

from osgp.celery import app
from osgp.processes import cooperative_names
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.processes.stopping import stop
from osgp.requests.slots import VISITING_QUEUE, make_details
from osgp.visits import restores
from osgp.visits.leases import keeper
from osgp.visits.watchdog import Pulse, WorkerWatchdog

LONGEST_WAIT = 0.25
"""Seconds that the consumer may wait for messages before it checks whether the worker has to end."""

pulse = Pulse.from_settings()
restores.start_watch()
cooperative_names.install()


class PromptConsumer(bootsteps.StartStopStep):
    """Makes the consumer check more often whether the worker has to end.

    Celery's loop for gevent and threads waits up to 2 s for a message, twice over after SIGTERM.
    """

    requires = ("celery.worker.consumer:Connection",)

    def start(self, consumer: Any) -> None:
        """Shorten the waits of a new connection."""
        connection = consumer.connection
        drain = connection.drain_events

        def drain_events(timeout: float | None = None, **options: Any) -> Any:
            wait = LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT)
            return drain(timeout=wait, **options)

        connection.drain_events = drain_events

    def stop(self, consumer: Any) -> None:
        """Do nothing: the connection is closed anyway."""


app.steps["consumer"].add(PromptConsumer)


@signals.worker_ready.connect
def watch(sender: Any, **_: Any) -> None:
    """Start the watchdog and the heartbeat when the worker is ready for messages."""
    queues = app.amqp.queues.consume_from
    watchdog = WorkerWatchdog(pulse, visits_meters=VISITING_QUEUE in queues)
    signals.task_postrun.connect(watchdog.on_task_ended, weak=False)
    watchdog.start()
    keeper.slots = sender.pool.limit
    details = make_details(keeper.slots) if VISITING_QUEUE in queues else None
    heartbeat = Heartbeat(ProcessKind.WORKER, sender.hostname, details, queues)
    signals.worker_shutdown.connect(lambda **_: heartbeat.stop(), weak=False)
    heartbeat.start()


@signals.worker_shutting_down.connect
def end(**_: Any) -> None:
    """End within the deadline on SIGTERM; at once on a second one: its leases run out, and others go on."""
    if stop.is_requested:
        os._exit(1)
    stop.request()
    pulse.end_within(settings.OSGP["STOP_DEADLINE"].total_seconds())
