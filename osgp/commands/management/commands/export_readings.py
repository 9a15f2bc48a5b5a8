"""``manage.py export_readings``: readings of an organisation's devices as CSV or Parquet."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.audit.exports import tell_export
from osgp.faults import Fault
from osgp.messages.readings import Period
from osgp.readings import export
from osgp.readings.filters import ReadingsFilter, make_selection
from osgp.readings.queries import read_readings
from osgp.requests.problems import list_errors


class Command(BaseCommand):
    help = "Write readings to a file or to standard output, as CSV or Parquet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organisation", required=True, help="Whose devices.")
        parser.add_argument("--device", action="append", help="Device identification; may be repeated.")
        parser.add_argument("--channel", help="M-Bus channel.")
        parser.add_argument("--quantity", action="append", help="OBIS code or name; may be repeated.")
        parser.add_argument("--period", action="append", choices=[str(period) for period in Period])
        parser.add_argument("--from", help="Interval ends at or after this time (RFC 3339).")
        parser.add_argument("--until", help="Interval ends before this time.")
        parser.add_argument("--changed", choices=["true", "false"])
        parser.add_argument("--late", choices=["true", "false"])
        parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="A file; standard output by default."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = Organisation.objects.filter(identification=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation {options['organisation']}.")
        given = set(ReadingsFilter().get_fields())
        asked = {name: options[name] for name in given if options.get(name) is not None}
        try:
            query = ReadingsFilter(data=asked)
            query.is_valid(raise_exception=True)
            selection = make_selection(organisation, query.validated_data)
        except ValidationError as error:
            told = (f"{each['pointer'][1:]}: {each['detail']}" for each in list_errors(error.detail))
            raise CommandError("; ".join(told)) from error
        except Fault as fault:
            raise CommandError(fault.message) from fault
        tell_export("readings", options["format"], asked.items(), organisation.identification)
        parts = export.format_csv if options["format"] == "csv" else export.format_parquet
        if options["output"] == "-":
            self._write(parts(read_readings(selection)), sys.stdout.buffer)
            return
        try:
            with Path(options["output"]).open("wb") as output:
                self._write(parts(read_readings(selection)), output)
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}") from error

    @staticmethod
    def _write(parts: Any, output: BinaryIO) -> None:
        for part in parts:
            output.write(part)
        output.flush()
