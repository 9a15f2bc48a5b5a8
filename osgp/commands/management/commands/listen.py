"""`manage.py listen`: takes what meters push."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from osgp.commands.stopping import stop_on_signals
from osgp.listener.limits import raise_open_files
from osgp.listener.service import PORT, Listener
from osgp.listener.sockets import AddressInUse
from osgp.listener.spool import SpoolInUse
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.visits.watchdog import Pulse

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Take what meters push and keep it for workers, until SIGTERM or Ctrl-C (twice: at once)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="", help="address to listen at (all, IPv4 and IPv6)")
        parser.add_argument("--tcp-port", type=int, default=PORT, help=f"TCP port ({PORT}; 0: no TCP)")
        parser.add_argument("--udp-port", type=int, default=PORT, help=f"UDP port ({PORT}; 0: no UDP)")

    def handle(self, *_: Any, **options: Any) -> None:
        for name in ("tcp_port", "udp_port"):
            if not 0 <= options[name] <= 65535:
                raise CommandError(f"--{name.replace('_', '-')} must be from 0 to 65535.")
        if not options["tcp_port"] and not options["udp_port"]:
            raise CommandError("--tcp-port and --udp-port are both 0: there is nothing to listen for.")
        raise_open_files()
        pulse = Pulse.from_settings()
        try:
            listener = Listener(
                options["host"],
                options["tcp_port"] or None,
                options["udp_port"] or None,
                on_round=pulse.beat,
            )
        except (AddressInUse, SpoolInUse, OSError) as error:
            raise CommandError(f"Cannot listen: {error}") from error
        stop_on_signals(pulse, listener.stop)
        with Heartbeat(ProcessKind.LISTEN):
            listener.run()
        pulse.stop()
        logger.info("ended in good order")
