"""`manage.py simulate`: simulated meters as a process of their own."""

from typing import Any

from django.core.management.base import BaseCommand

from osgp.simulator.cli import main


class Command(BaseCommand):
    help = "Simulate meters; takes the arguments of the simulator itself (see them with --help)."

    def run_from_argv(self, argv: list[str]) -> None:
        """All arguments after the command's name belong to the simulator, Django's own ones included."""
        raise SystemExit(main(argv[2:]))

    def handle(self, *arguments: Any, **_: Any) -> None:
        raise SystemExit(main([str(argument) for argument in arguments]))
