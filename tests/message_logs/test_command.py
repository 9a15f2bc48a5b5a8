"""manage.py message_log"""

import io
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from osgp.accounts.models import Organisation
from osgp.commands.management.commands import message_log as command
from osgp.devices.models import Device
from osgp.message_logs.models import MessageLog
from tests.factories import make_device, make_request
from tests.message_logs.test_reading import START, fill


def printed(*arguments: str) -> list[str]:
    output = io.StringIO()
    call_command("message_log", *arguments, stdout=output, no_color=True)
    return output.getvalue().splitlines()


def test_a_log_is_printed(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SLICE", 2)
    request = make_request(organisation, device, state="SUCCEEDED")
    rows = fill(device, 3, message="ActualMeterReads", correlation_uid=request.correlation_uid)
    MessageLog.objects.filter(pk=rows[0].pk).update(message="", correlation_uid=None, description="a\nb")
    MessageLog.objects.filter(pk=rows[2].pk).update(length=9)
    fill(make_device("OTHER"))
    assert printed(device.identification, "--octets") == [
        "",
        f"2026-03-29 00:59:58 visit {rows[0].session_id}",
        "  Association",
        "  00:59:58.000000 → get-request-normal, 2 octets",
        "      a",
        "      b",
        "      c000",
        f"  ActualMeterReads {request.correlation_uid}",
        "  00:59:59.000000 ← get-request-normal, 2 octets",
        "      message 1",
        "      c001",
        "  01:00:00.000000 → get-request-normal, 9 octets",
        "      message 2",
        "      c002 …",
    ]


def test_one_visit_is_printed(device: Device) -> None:
    fill(device, 2, description="one")
    rows = fill(device, 1, description="two")
    lines = printed(device.identification, "--session", str(rows[0].session_id))
    assert [line.strip() for line in lines[3:]] == ["00:59:58.000000 → get-request-normal, 2 octets", "two"]


@pytest.mark.django_db(transaction=True)
def test_what_comes_is_printed(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
        fill(device, 1, description=f"after {len(waits)}", at=START)

    monkeypatch.setattr(time, "sleep", wait)
    fill(device, 1, description="before")
    text = "\n".join(printed(device.identification, "--follow"))
    assert text.index("before") < text.index("after 1") < text.index("after 2")
    assert text.count("before") == 1


@pytest.mark.parametrize("arguments", [["NOWHERE"], ["NOWHERE", "--session", "x"], []])
def test_bad_arguments_are_refused(db: Any, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed(*arguments)
