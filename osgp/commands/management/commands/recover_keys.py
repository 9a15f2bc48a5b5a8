"""``manage.py recover_keys DIRECTORY --private-key FILE``"""

import getpass
import os
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from osgp.commands.secrets import refuse_without
from osgp.commands.sending import APPLICATION
from osgp.devices import key_escrow, platform_keys
from osgp.devices.checks import require_key_encryption_keys
from osgp.devices.key_escrow import EscrowError, SealedChange
from osgp.faults import Fault
from osgp.management.escrowed_keys import EscrowedChange, recover

PASSPHRASE = "OSGP_KEY_ESCROW_PASSPHRASE"  # noqa: S105 (a name)


class Command(BaseCommand):
    """Tells of each device what became of its keys; exits with 1 if a file or a device had to be left out."""

    help = (
        "After a restore of the database: take over the keys that meters were given since the backup, from "
        "the files in their second place. Can be repeated; what the database knows is left as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="the second place, or a copy")
        parser.add_argument(
            "--private-key",
            type=Path,
            required=True,
            metavar="FILE",
            help=f"what opens the files (PEM); its passphrase is asked for, or in {PASSPHRASE}",
        )
        parser.add_argument("--dry-run", action="store_true", help="tell what would be done")
        parser.add_argument("--device", metavar="ID", help="identification of the only device to look at")

    def handle(self, *_: Any, **options: Any) -> None:
        refuse_without(require_key_encryption_keys)
        private_key = _read_private_key(options["private_key"])
        if not options["directory"].is_dir():
            raise CommandError(f"{options['directory']} is no folder.")
        self.problems = 0
        found, markers = self._read_files(options["directory"])
        if options["device"]:
            found = {device: found.get(device, {}) for device in [options["device"]]}
        left_out = sum(
            self._recover(device, of_device.values(), markers, private_key, options["dry_run"])
            for device, of_device in sorted(found.items())
        )
        self.stdout.write(
            f"{len(found)} devices looked at; {left_out} older changes left out."
            + (" Nothing was changed." if options["dry_run"] else "")
        )
        if self.problems:
            raise CommandError(f"There were {self.problems} problems.")

    def _read_files(self, directory: Path) -> tuple[dict[str, dict[str, SealedChange]], set[str]]:
        """Return the changes of each device by the names of their files, and the names that have markers."""
        found: dict[str, dict[str, SealedChange]] = defaultdict(dict)
        markers: dict[str, Path] = {}
        for path in key_escrow.list_files(directory):
            if path.suffix == key_escrow.MARKER:
                markers[path.stem] = path
                continue
            try:
                change = key_escrow.read(path)
            except (EscrowError, OSError) as error:
                self._complain(path, error)
            else:
                # Written twice around midnight: the folders are in order, and the keys are the same.
                found[change.device][change.name] = change
        names = {name for of_device in found.values() for name in of_device}
        for name in sorted(markers.keys() - names):
            self._complain(markers[name], "the file with its keys is missing")
        return found, set(markers)

    def _recover(
        self,
        device: str,
        sealed: Iterable[SealedChange],
        markers: set[str],
        private_key: rsa.RSAPrivateKey,
        dry_run: bool,
    ) -> int:
        """Recover the keys of one device; return how many changes were left out."""
        changes = []
        for each in sealed:
            try:
                secrets = each.open(private_key)
            except EscrowError as error:
                self._complain(each.path, error)
            else:
                changes.append(EscrowedChange(each.change, each.at, each.name in markers, secrets))
        try:
            recovery = recover(device, changes, by=APPLICATION, dry_run=dry_run)
        except Fault as fault:
            self._complain(device, fault.message)
            return 0
        for step in recovery.steps:
            key_types = ", ".join(sorted(step.change.secrets))
            self.stdout.write(
                f"{device}: {key_types} of {step.change.at:%Y-%m-%d %H:%M:%S} UTC {step.way.value}"
            )
        return recovery.left_out

    def _complain(self, what: object, why: object) -> None:
        self.problems += 1
        self.stderr.write(f"{what}: {why}")


def _read_private_key(path: Path) -> rsa.RSAPrivateKey:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    password = None
    if b"ENCRYPTED" in content:
        try:
            password = os.environ.get(PASSPHRASE) or getpass.getpass(f"Passphrase of {path}: ")
        except EOFError:
            raise CommandError(f"{path} has a passphrase: set {PASSPHRASE}.") from None
    try:
        return platform_keys.parse_private_key(content, str(path), password.encode() if password else None)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
