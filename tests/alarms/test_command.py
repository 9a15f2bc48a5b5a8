"""``manage.py alarms``"""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from osgp.accounts.models import Organisation
from osgp.alarms import decoding
from osgp.alarms.models import Alarm
from tests.alarms.pushing import NAME, frame, make_alarm, receive
from tests.factories import make_device, make_organisation

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[list[dict[str, object]], str]:
    out, err = StringIO(), StringIO()
    call_command("alarms", *arguments, stdout=out, stderr=err)
    return [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.fixture
def alarm(organisation: Organisation) -> Alarm:
    make_device(NAME, owner=organisation)
    receive(frame(make_alarm(4)))
    decoding.decode_waiting()
    return Alarm.objects.get()


def test_list(alarm: Alarm) -> None:
    make_organisation("OTHER")
    for arguments in ((), ("--organisation", "UTILITY"), ("--device", NAME), ("--alarm-type", "POWER_UP")):
        [row] = run(*arguments)[0]
        assert row["alarm_uid"] == str(alarm.uid)
    for arguments in (
        ("--organisation", "OTHER"),
        ("--device", "E1"),
        ("--until", "2026-07-16T12:30:40Z"),
    ):
        assert run(*arguments)[0] == []


def test_acknowledge(alarm: Alarm) -> None:
    assert "Acknowledged 1 alarms." in run("--acknowledge", "seen")[1]
    alarm.refresh_from_db()
    assert (alarm.acknowledged_by, alarm.note) == ("command line", "seen")
    assert run("--unacknowledged")[0] == []


def test_decode_again(organisation: Organisation) -> None:
    receive(frame(make_alarm(4)))
    decoding.decode_waiting()
    make_device(NAME, owner=organisation)
    assert "1 pushes wait" in run("--decode-again")[1]
    assert decoding.decode_waiting() == 1
    assert len(run()[0]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--organisation", "NOBODY"),
        ("--from", "yesterday"),
        ("--from", "2026-07-16T12:30:40"),
        ("--limit", "0"),
        ("--alarm-type", "NONSENSE"),
        ("--organisation", "UTILITY", "--decode-again"),
    ],
    ids=str,
)
def test_bad_arguments(organisation: Organisation, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
