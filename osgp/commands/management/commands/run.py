"""`manage.py run`: the whole platform in this process, with simulated meters to look at."""

import logging.config
import os
import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from osgp import platform_time
from osgp.commands.secrets import refuse_without
from osgp.devices.checks import require_key_escrow, require_secrets
from osgp.embedded.session import RegistrationFailed, demonstrate
from osgp.embedded.web import PortInUse
from osgp.listener.spool import SpoolInUse
from osgp.simulator import Fleet, FleetSettings, make_first_counter

ALARMS_PER_HOUR = 60.0
"""Of all meters together, so that there is something to see; those with a cause are rare."""
PLAIN_WIDTH = 120
"""Columns where the output is no terminal and nobody has set COLUMNS: what reads it has room for tables."""


class Command(BaseCommand):
    help = (
        "Start the platform with ten simulated meters in one process (SQLite, in-process broker), register "
        "them and read them through the REST API, and stay up until Ctrl-C."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="stop after the readings; 1 if any meter failed"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address of the web server (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="its port (8000; 0: any free one)")
        parser.add_argument(
            "--simulator-port", type=int, default=0, help="port of the simulated meters (any free one)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        refuse_without(require_secrets)
        refuse_without(require_key_escrow)
        _log_warnings_only()
        for number in (signal.SIGINT, signal.SIGTERM):
            # SIGINT as well: shells let background jobs ignore it.
            signal.signal(number, _interrupt)
        console = Console(highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PLAIN_WIDTH
        try:
            failed = demonstrate(
                console,
                lambda listener: Fleet.demo(settings=_make_settings(listener)),
                host=options["host"],
                port=options["port"],
                simulator_port=options["simulator_port"],
                once=options["once"],
            )
        except (PortInUse, RegistrationFailed) as error:
            raise CommandError(str(error)) from error
        except SpoolInUse as error:
            raise CommandError(
                f"Another `make run` uses {settings.VAR_DIR}. Stop it, or give this one a folder of its own: "
                "OSGP_VAR_DIR=/tmp/other make run"
            ) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped before the meters were read.", returncode=130) from None
        if options["once"] and failed:
            raise SystemExit(1)


def _make_settings(push_to: str) -> FleetSettings:
    return FleetSettings(
        calm_from=None,
        push_to=push_to,
        alarms_per_hour=ALARMS_PER_HOUR,
        first_counter=make_first_counter(platform_time.now().timestamp()),
    )


def _log_warnings_only() -> None:
    """Leave the terminal to the table, unless LOG_LEVEL asks for more.

    Celery configures Django's logging once more when its worker starts, so the setting itself is changed.
    """
    if "LOG_LEVEL" in os.environ:
        return
    configuration: dict[str, Any] = settings.LOGGING
    configuration["root"]["level"] = "WARNING"
    for name in ("kombu.connection", "celery.worker.control"):
        # The in-process broker has no host, the worker is stopped: all is well.
        configuration["loggers"][name] = {"level": "ERROR"}
    logging.config.dictConfig(configuration)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C, or SIGTERM."""
    raise KeyboardInterrupt
