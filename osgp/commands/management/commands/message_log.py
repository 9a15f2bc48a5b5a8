"""``manage.py message_log``: the log of a device, to be read in a terminal."""

import time
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from osgp.devices.models import Device
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.processes.database import give_back_connection

LOOK_EVERY = 1.0
"""Seconds between looks for more."""
SLICE = 500
ARROWS = {MessageDirection.SENT: "→", MessageDirection.RECEIVED: "←", MessageDirection.FAILED: "✗"}


class Command(BaseCommand):
    """Messages in their order, visit by visit."""

    help = "Print the messages exchanged with a device while it was debugged, and the calls that failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("device", help="Device identification.")
        parser.add_argument("--session", type=uuid.UUID, help="One visit only; all of them unless given.")
        parser.add_argument("--octets", action="store_true", help="With the APDUs in hexadecimal.")
        parser.add_argument("--follow", action="store_true", help="Go on with each visit that ends.")

    def handle(self, *args: Any, **options: Any) -> None:
        device = Device.objects.filter(identification=options["device"]).first()
        if device is None:
            raise CommandError(f"There is no device {options['device']}.")
        rows = MessageLog.objects.filter(device=device)
        if options["session"] is not None:
            rows = rows.filter(session=options["session"])
        self._session: uuid.UUID | None = None
        self._belongs: tuple[str, uuid.UUID | None] | None = None
        last = 0
        try:
            while True:
                found = list(rows.filter(pk__gt=last).order_by("pk")[:SLICE])
                for row in found:
                    self._print(row, with_octets=options["octets"])
                    last = row.pk
                if not found:
                    if not options["follow"]:
                        return
                    give_back_connection()
                    time.sleep(LOOK_EVERY)
        except KeyboardInterrupt:
            pass

    def _print(self, row: MessageLog, *, with_octets: bool) -> None:
        if row.session_id != self._session:
            self._session, self._belongs = row.session_id, None
            self.stdout.write(
                self.style.MIGRATE_HEADING(f"\n{row.at:%Y-%m-%d %H:%M:%S} visit {row.session_id}")
            )
        if row.failed_call is not None:
            self._print_call(row, row.failed_call)
            return
        belongs = (row.message, row.correlation_uid)
        if belongs != self._belongs:
            self._belongs = belongs
            name = f"{row.message} {row.correlation_uid}" if row.message else "Association"
            self.stdout.write(self.style.MIGRATE_LABEL(f"  {name}"))
        arrow = ARROWS[MessageDirection(row.direction)]
        self.stdout.write(f"  {row.at:%H:%M:%S.%f} {arrow} {row.service}, {row.length} octets")
        lines = row.description.splitlines()
        if with_octets:
            lines.append(row.apdu + (" …" if row.is_cut else ""))
        for line in lines:
            self.stdout.write(f"      {line}")

    def _print_call(self, row: MessageLog, call: dict[str, Any]) -> None:
        self._belongs = None
        self.stdout.write(
            self.style.ERROR(f"  {row.at:%H:%M:%S.%f} {ARROWS[MessageDirection.FAILED]} failed call")
        )
        for line in row.description.splitlines():
            self.stdout.write(f"      {line}")
        for uid, request in row.list_carried():
            self.stdout.write(f"      attempt {request['attempt']} of {request['message']} {uid}")
        if (more := call["request_count"] - len(call["requests"])) > 0:
            self.stdout.write(f"      and {more} more requests")
