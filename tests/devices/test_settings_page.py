"""docs/how-to/a-meter-that-is-different.md: its table is that of the code, and its examples work."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device, SharedSettings
from scripts import setting_table
from tests.factories import make_device


def read_page() -> str:
    return setting_table.PAGE.read_text(encoding="utf-8")


def test_the_table_is_that_of_the_code() -> None:
    """Run ``python -m scripts.setting_table`` when this fails."""
    assert read_page() == setting_table.put_in(read_page())


@pytest.fixture
def described(organisation: Organisation) -> Device:
    return make_device("SIME0000000000001", owner=organisation, protocol_version="5.5", model="E360")


def test_the_commands(described: Device) -> None:
    examples = re.findall(r"^\$ python manage\.py (meter_settings .*)\n(.*)\n", read_page(), re.MULTILINE)
    assert len(examples) == 4
    for command, told in examples:
        out = io.StringIO()
        call_command(*shlex.split(command), stdout=out)
        assert out.getvalue() == f"{told}\n"


def test_the_file_for_many(described: Device, tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(.*?)```", read_page(), re.DOTALL)
    path = tmp_path / "settings.json"
    path.write_text(example)
    call_command("meter_settings", "set", "--json", str(path), stdout=io.StringIO())
    described.refresh_from_db()
    assert described.own_settings == {"range_borders": "END"}
    assert SharedSettings.objects.count() == 2


def test_the_call_of_the_api(described: Device, api: APIClient) -> None:
    [body] = re.findall(r"-X PATCH .*?-d '(.*?)'", read_page(), re.DOTALL)
    answer = api.patch(f"/api/v1/devices/{described.identification}/", json.loads(body), format="json")
    assert answer.status_code == 200
    assert answer.json()["own_settings"] == {"counter_object": "0-0:43.1.1.255"}
