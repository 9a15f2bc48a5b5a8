"""``manage.py meter_settings``: how to talk to a device, or to all devices of a model or profile."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from osgp.devices import setting_changes
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device, SettingsKind, SharedSettings
from osgp.devices.setting_changes import InvalidSettings, find_layers
from osgp.devices.system_title import find_title

PARTS = {"devices": None, "models": SettingsKind.MODEL, "profiles": SettingsKind.PROFILE}
"""Of a file for many: settings by name in each."""


class Command(BaseCommand):
    """Rows are JSON, as the API gives them."""

    help = "Show and change how to talk to a device, or to all devices of a model or profile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "settings: " + ", ".join(SETTINGS)
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser(
            "show",
            help="What holds for a device, what is set for a model or profile; by default, all of these.",
        )
        _add_target(show)
        change = actions.add_parser("set", help="Change what is given, and nothing else.")
        _add_target(change)
        change.add_argument(
            "values", nargs="*", metavar="NAME=VALUE", help="E.g. pause_between_connections=3."
        )
        change.add_argument(
            "--json",
            type=Path,
            metavar="FILE",
            help="An object of values by name, null: not set any more. Without a device, model or profile: "
            f"objects of such objects by name, in {', '.join(PARTS)}; all of it is stored, or nothing.",
        )
        unset = actions.add_parser(
            "unset", help="Have what is set for model or profile, or the default, hold."
        )
        _add_target(unset)
        unset.add_argument("names", nargs="+", metavar="NAME", choices=list(SETTINGS), help="E.g. attempts.")
        actions.add_parser("list", help="All settings with their reasons.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "list":
                for name, setting in SETTINGS.items():
                    self.stdout.write(f"{name}: {setting.describe()}")
            elif options["action"] == "show":
                self._show(options)
            elif options["action"] == "unset":
                self._change(options, dict.fromkeys(options["names"]))
            elif options["json"] is not None and not _has_target(options):
                if options["values"]:
                    raise CommandError("Values need --device, --model or --profile.")
                self._change_many(_read(options["json"]))
            else:
                values = {} if options["json"] is None else _read(options["json"])
                self._change(options, {**values, **dict(map(_parse_value, options["values"]))})
        except InvalidSettings as error:
            raise CommandError(str(error)) from error

    def _show(self, options: Mapping[str, Any]) -> None:
        if options["device"] is not None:
            device = _find_device(options["device"])
            if device.is_mbus:
                raise CommandError("An M-Bus device is read the way its gateway is.")
            effective = find_layers(device).explain()
            self._write(
                {name: {"value": value, "source": source} for name, (value, source) in effective.items()}
            )
            return
        rows = SharedSettings.objects.all()
        for kind in SettingsKind:
            if options[kind.lower()] is not None:
                rows = rows.filter(kind=kind, name=options[kind.lower()])
        for row in rows:
            self._write({"kind": row.kind, "name": row.name, "settings": row.settings})
        if not _has_target(options):
            self._write({"kind": "INSTALLATION", "settings": {"client_system_title": find_title()}})

    def _change(self, options: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        if not _has_target(options):
            raise CommandError("Say which with --device, --model or --profile.")
        if not changes:
            raise CommandError("Give values, as NAME=VALUE or in a file with --json.")
        if options["device"] is not None:
            device = setting_changes.change_device(_find_device(options["device"]).pk, changes)
            self._write(dict(find_layers(device).device))
            return
        [kind] = [each for each in SettingsKind if options[each.lower()] is not None]
        self._write(dict(setting_changes.change_shared(kind, options[kind.lower()], changes)))

    @transaction.atomic
    def _change_many(self, parts: Mapping[str, Any]) -> None:
        """All or nothing."""
        number = 0
        for part, settings in parts.items():
            if part not in PARTS or not isinstance(settings, dict):
                raise CommandError(f"The file must have objects in {', '.join(PARTS)}; {part[:40]} is none.")
            kind = PARTS[part]
            for name, changes in settings.items():
                if not isinstance(changes, dict):
                    raise CommandError(f"{name[:40]}: must have an object of values.")
                try:
                    if kind is None:
                        setting_changes.change_device(_find_device(name).pk, changes)
                    else:
                        setting_changes.change_shared(kind, name, changes)
                except InvalidSettings as error:
                    raise CommandError(f"{name[:40]}: {error}") from error
                number += 1
        self.stdout.write(f"{number} changed")

    def _write(self, row: Mapping[str, Any]) -> None:
        self.stdout.write(json.dumps(row))


def _add_target(parser: ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--device", metavar="IDENTIFICATION", help="Of one device.")
    target.add_argument("--model", metavar="NAME", help="Of all devices with this model code.")
    target.add_argument("--profile", metavar="NAME", help="Of all devices of a profile, such as SMR-5.5.")


def _has_target(options: Mapping[str, Any]) -> bool:
    return any(options[name] is not None for name in ("device", "model", "profile"))


def _find_device(identification: str) -> Device:
    device = Device.objects.filter(identification=identification).first()
    if device is None:
        raise CommandError(f"There is no device {identification[:40]}.")
    return device


def _parse_value(text: str) -> tuple[str, Any]:
    name, is_given, value = text.partition("=")
    if not is_given:
        raise CommandError(f"{text[:64]} is no NAME=VALUE.")
    setting = SETTINGS.get(name)
    if setting is None:
        raise InvalidSettings({name[:64]: "There is no such setting."})
    try:
        return name, setting.read(value)
    except ValueError as error:
        raise InvalidSettings({name: str(error)}) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} holds no JSON.") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} holds no object.")
    return content
