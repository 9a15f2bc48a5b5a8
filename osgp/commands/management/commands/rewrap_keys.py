"""``manage.py rewrap_keys``: the second step of a rotation of the key-encryption keys."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from osgp.commands.secrets import refuse_without
from osgp.devices import envelope, fingerprints, keystore
from osgp.devices.checks import require_key_encryption_keys
from osgp.devices.envelope import UnsealError
from osgp.devices.models import DeviceKey
from osgp.faults import Fault

BATCH = 1000


class Command(BaseCommand):
    """Wraps all stored secrets with the current key-encryption key; can be stopped and started again."""

    help = (
        "Wrap every stored secret with the first of the key-encryption keys. To rotate them: let all workers "
        "know a new one, put it in front of OSGP_KEY_ENCRYPTION_KEYS, run this, then remove the old one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--renew-fingerprints",
            action="store_true",
            help="After the key-encryption keys were lost: find counters of keys under a new secret. The "
            "devices must be added anew with their keys; their counters go on.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_without(require_key_encryption_keys)
        current = envelope.load_key_encryption_keys().current
        if options["renew_fingerprints"]:
            fingerprints.renew()
            self.stdout.write("Made a new key for fingerprints.")
            return
        rewrapped = unreadable = 0
        for row in _list_rows_under_other_keys(current):
            try:
                rewrapped += keystore.rewrap(row)
            except Fault as fault:
                unreadable += 1
                self.stderr.write(f"Key {row.pk} of device {row.device_id}: {fault.message}")
        try:
            fingerprints.rewrap()
        except UnsealError as error:
            unreadable += 1
            self.stderr.write(f"The key of the fingerprints: {error}")
        self.stdout.write(f"Rewrapped {rewrapped} secrets with the key-encryption key {current}.")
        if unreadable:
            raise CommandError(f"{unreadable} secrets could not be read. Keep the old key-encryption keys.")


def _list_rows_under_other_keys(current: str) -> Iterator[DeviceKey]:
    last = 0
    while True:
        rows = list(
            DeviceKey.objects.exclude(key_encryption_key_id=current)
            .filter(pk__gt=last)
            .order_by("pk")[:BATCH]
        )
        if not rows:
            return
        yield from rows
        last = rows[-1].pk
