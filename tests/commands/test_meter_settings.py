"""``manage.py meter_settings``: the same settings, checks and answers as of the API."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device, SharedSettings
from osgp.devices.system_title import find_title

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> list[Any]:
    out = io.StringIO()
    call_command("meter_settings", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def write(folder: Path, content: Any) -> str:
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_settings_of_a_device(device: Device) -> None:
    name = device.identification
    [own] = run("set", "--device", name, "pause_between_connections=3", "with_list_max=8", "carrier=UDP")
    assert own == {"pause_between_connections": 3.0, "with_list_max": 8, "carrier": "UDP"}
    [own] = run("unset", "--device", name, "carrier", "with_list_max")
    assert own == {"pause_between_connections": 3.0}
    run("set", "--profile", "SMR-5.1", "with_list_max=4")
    [effective] = run("show", "--device", name)
    assert list(effective) == list(SETTINGS)
    assert effective["pause_between_connections"] == {"value": 3.0, "source": "DEVICE"}
    assert effective["with_list_max"] == {"value": 4, "source": "PROFILE"}
    assert effective["carrier"] == {"value": "TCP", "source": "DEFAULT"}


def test_settings_of_models_and_profiles(tmp_path: Path) -> None:
    assert run("set", "--model", "E360", "hdlc_window=3", "attempts=5") == [{"hdlc_window": 3, "attempts": 5}]
    path = write(tmp_path, {"attempts": None, "receive_size": 500})
    assert run("set", "--model", "E360", "--json", path) == [{"hdlc_window": 3, "receive_size": 500}]
    run("set", "--profile", "SMR-5.5", "attempts=2")
    of_model = {"kind": "MODEL", "name": "E360", "settings": {"hdlc_window": 3, "receive_size": 500}}
    of_profile = {"kind": "PROFILE", "name": "SMR-5.5", "settings": {"attempts": 2}}
    installation = {"kind": "INSTALLATION", "settings": {"client_system_title": find_title()}}
    assert run("show", "--model", "E360") == [of_model]
    assert run("show") == [of_model, of_profile, installation]
    run("unset", "--profile", "SMR-5.5", "attempts")
    assert run("show") == [of_model, installation]


def test_a_file_for_many(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {
        "devices": {device.identification: {"attempts": 5}},
        "models": {"E360": {"with_list_max": 8}},
        "profiles": {"SMR-5.5": {"apdu_deadline": 90}},
    }
    call_command("meter_settings", "set", "--json", write(tmp_path, content))
    assert "3 changed" in capsys.readouterr().out
    device.refresh_from_db()
    assert device.own_settings == {"attempts": 5}
    assert SharedSettings.objects.count() == 2


@pytest.mark.parametrize(
    "content",
    [
        {"devices": {"E0000000000000001": {"attempts": 5}, "NOBODY": {"attempts": 5}}},
        {"devices": {"E0000000000000001": {"attempts": 5}}, "models": {"X": {"colour": 1}}},
        {"devices": {"E0000000000000001": {"attempts": 5}}, "models": {"X": 5}},
        {"devices": {"E0000000000000001": {"attempts": 5}}, "gateways": {}},
        {"devices": {"E0000000000000001": {"attempts": 5}}, "profiles": {"SMR-9": {"attempts": 5}}},
        [],
        "{",
        "[" * 100_000,
    ],
)
def test_a_bad_file_changes_nothing(device: Device, tmp_path: Path, content: Any) -> None:
    with pytest.raises(CommandError):
        run("set", "--json", write(tmp_path, content))
    device.refresh_from_db()
    assert device.own_settings is None
    assert not SharedSettings.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["set", "attempts=5"], "--device"),
        (["set", "--device", "NOBODY", "attempts=5"], "no device NOBODY"),
        (["set", "--device", "E0000000000000001"], "NAME=VALUE"),
        (["set", "--device", "E0000000000000001", "attempts"], "NAME=VALUE"),
        (["set", "--device", "E0000000000000001", "attempts=many"], "attempts: Must be an integer"),
        (["set", "--device", "E0000000000000001", "colour=1"], "colour: There is no such setting"),
        (["set", "--device", "E0000000000000001", "hdlc_window=3"], "hdlc_window: Is for HDLC only"),
        (["set", "--model", "X", "--json", "/nowhere.json"], "No such file"),
        (["unset", "--model", "X", "colour"], "colour"),
        (["show", "--device", "NOBODY"], "no device"),
    ],
)
def test_what_is_refused(device: Device, arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        run(*arguments)


def test_all_settings_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("meter_settings", "list")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: {setting.describe()}" for name, setting in SETTINGS.items()]
