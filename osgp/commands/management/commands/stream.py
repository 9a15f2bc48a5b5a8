"""`manage.py stream`: the live stream of events of production, in an event loop of its own."""

import asyncio
import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from osgp.commands.stopping import stop_on_signals
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.stream.application import PATH, make_application
from osgp.stream.hub import Hub
from osgp.stream.server import BACKLOG, SPARE_CONNECTIONS, StreamServer
from osgp.visits.watchdog import Pulse
from osgp.web_server.listening import allow_descriptors, listen

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8001


class Command(BaseCommand):
    help = f"Serve {PATH} to listeners, until SIGTERM or Ctrl-C (twice: at once)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument(
            "--port", type=int, default=DEFAULT_PORT, help=f"its port ({DEFAULT_PORT}; 0: any free one)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        wanted = settings.OSGP["STREAM_LISTENERS"] + SPARE_CONNECTIONS
        connections = allow_descriptors(wanted)
        if connections < wanted:
            logger.warning("file descriptors allow %d connections, not %d", connections, wanted)
        try:
            listening = listen(options["host"], options["port"], BACKLOG)
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['host']} port {options['port']}: {error}"
            ) from error
        pulse = Pulse.from_settings()
        pulse.beat()
        hub = Hub(on_sign_of_life=pulse.beat)
        server = StreamServer(make_application(hub), hub, connections=connections)

        stop_on_signals(pulse, lambda: setattr(server, "should_exit", True))
        host, port = listening.getsockname()[:2]
        self.stdout.write(f"events on http://{host}:{port}{PATH}")
        self.stdout.flush()
        try:
            with Heartbeat(ProcessKind.STREAM):
                asyncio.run(server.serve_listener(listening))
        finally:
            hub.close()
            pulse.stop()
        logger.info("ended in good order")
