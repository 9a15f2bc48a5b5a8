"""Alarms, received pushes and rules in the admin: who sees and does what, and pages with hostile values."""

import itertools
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.alarms import acknowledging as services
from osgp.alarms import again, counting, decoding, storing, tasks
from osgp.alarms.counting import CountKey
from osgp.alarms.models import Alarm, AlarmGroup, AlarmRule, ReceivedPush
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from osgp.pages.alarms import acknowledging, hex_dump, push_chart, push_pages
from osgp.pages.live import alarms as live_alarms
from tests.admin.conftest import OPERATOR_PERMISSIONS, make_user, signed_in
from tests.alarms.pushing import NAME, SOURCE, add_meter, cipher, frame, make_alarm, receive
from tests.factories import grant, make_device

pytestmark = pytest.mark.django_db

GROUPS = "admin:alarms_alarmgroup_changelist"
ALARMS = "admin:alarms_alarm_changelist"
PUSHES = "admin:alarms_receivedpush_changelist"
RULES = "admin:alarms_alarmrule_changelist"
PERMISSIONS = (
    *OPERATOR_PERMISSIONS,
    "view_alarm",
    "change_alarm",
    "view_receivedpush",
    "change_receivedpush",
    *(f"{verb}_alarmrule" for verb in ("view", "add", "change", "delete")),
)
HOSTILE = "<script>alert(1)</script>"
_usernames = (f"user{number}" for number in itertools.count())


def user_of(organisation: Organisation | None, *permissions: str) -> Client:
    return signed_in(make_user(next(_usernames), organisation, *(permissions or PERMISSIONS)))


def add_alarms(
    device: Device, *names: str, number: int = 1, at: datetime | None = None, **fields: Any
) -> list[Alarm]:
    """Alarms as decoding stores them, in one group if they come at the same time."""
    new = [NewAlarm(device, at or timezone.now(), "ALARM", names, **fields) for _ in range(number)]
    with transaction.atomic():
        return storing.store(new)


def listed(client: Client, name: str, **query: Any) -> list[Any]:
    answer = client.get(reverse(name), query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def page_of(client: Client, row: Any) -> str:
    answer = client.get(reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def press(client: Client, name: str, action: str, rows: Any, **data: Any) -> tuple[Any, list[str]]:
    """Carry out an action; return the answer, and what the user is told."""
    chosen = [row.pk for row in rows]
    data = {"action": action, "_selected_action": chosen, **data}
    answer = client.post(reverse(name), data, follow=True)
    assert answer.status_code == 200
    return answer, [str(message) for message in answer.context["messages"]]


def acknowledge(client: Client, rows: Any, **data: Any) -> list[str]:
    name = GROUPS if isinstance(rows[0], AlarmGroup) else ALARMS
    return press(client, name, "acknowledge_selected", rows, **data)[1]


def count_queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be done in the background."""
    sent: list[Any] = []
    monkeypatch.setattr(tasks.acknowledge, "apply_async", lambda args: sent.append(args))
    return sent


# --- Groups --------------------------------------------------------------------------------------------


def test_groups_are_those_that_are_open_unless_asked_for_more(superuser: Client, device: Device) -> None:
    now = timezone.now()
    add_alarms(device, "POWER_UP", number=3)
    add_alarms(device, "CLOCK_INVALID", "POWER_UP", at=now - timedelta(hours=2))
    add_alarms(device, at=now - timedelta(days=9))
    up, clock, none = AlarmGroup.objects.all()
    services.acknowledge(Alarm.objects.filter(group=clock), "somebody")
    assert listed(superuser, GROUPS) == listed(superuser, GROUPS, state="x") == [up, none]
    assert listed(superuser, GROUPS, state="acknowledged") == [clock]
    assert listed(superuser, GROUPS, state="all") == [up, clock, none]
    assert listed(superuser, GROUPS, state="all", type="POWER_UP") == [up, clock]
    assert listed(superuser, GROUPS, state="all", type="CLOCK_INVALID") == [clock]
    assert listed(superuser, GROUPS, type="NONE") == [none]
    assert listed(superuser, GROUPS, type="POWER") == []
    assert listed(superuser, GROUPS, last="1h") == [up]
    text = superuser.get(reverse(GROUPS)).content.decode()
    assert f'<a href="{reverse(ALARMS)}?group={up.pk}"><b>3</b> × ' in text
    assert "2 groups" in text


def test_groups_by_network_and_owner(superuser: Client, organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name="GPRS south")
    add_alarms(make_device("E1", owner=organisation, network=network), "POWER_UP")
    add_alarms(make_device("E2"), "POWER_UP")
    owned, other = AlarmGroup.objects.order_by("-pk")[::-1]
    assert listed(superuser, GROUPS, network=network.pk) == [owned]
    assert listed(superuser, GROUPS, organisation=organisation.pk) == [owned]
    assert set(listed(superuser, GROUPS)) == {owned, other}
    assert listed(superuser, ALARMS, network=network.pk) == list(owned.alarms.all())
    text = superuser.get(reverse(GROUPS)).content.decode()
    assert "GPRS south" in text
    assert organisation.identification in text


def test_the_page_of_a_group_is_the_list_of_its_alarms(superuser: Client, device: Device) -> None:
    alarm, _ = add_alarms(device, "POWER_UP", number=2)
    add_alarms(device, "CLOCK_INVALID")
    url = reverse("admin:alarms_alarmgroup_change", args=[alarm.group_id])
    answer = superuser.get(url, follow=True)
    assert {row.group_id for row in answer.context["cl"].result_list} == {alarm.group_id}
    assert "Group: <b>2 × POWER_UP</b>" in answer.content.decode()
    assert superuser.post(url).status_code == 403
    missing = reverse("admin:alarms_alarmgroup_change", args=[0])
    assert superuser.get(missing)["Location"] == reverse("admin:index")
    for group in ("9" * 30, "x", "0", "-1"):
        assert listed(superuser, ALARMS, group=group) == []


def test_groups_are_of_the_organisation_s_own_devices(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    group = AlarmGroup.objects.get()
    owner, stranger = user_of(organisation), user_of(other_organisation)
    assert listed(owner, GROUPS) == [group]
    assert "Owner" not in owner.get(reverse(GROUPS)).content.decode()
    assert listed(stranger, GROUPS, state="all") == []
    url = reverse("admin:alarms_alarmgroup_change", args=[group.pk])
    assert stranger.get(url)["Location"] == reverse("admin:index")
    # A stranger is not told either how many there are.
    text = stranger.get(reverse(ALARMS), {"group": group.pk}).content.decode()
    assert "POWER_UP</b>" not in text
    assert alarm.device.identification not in text
    nobody = user_of(organisation, "view_alarmgroup")
    assert nobody.get(reverse(GROUPS)).status_code == 403
    assert nobody.get(url).status_code == 403


def test_a_group_is_acknowledged_with_a_note(
    organisation: Organisation, device: Device, handed_over: list[Any]
) -> None:
    add_alarms(device, "POWER_UP", number=3)
    group = AlarmGroup.objects.get()
    assert acknowledge(user_of(organisation), [group], note=" Lightning. ") == ["3 alarms acknowledged."]
    group.refresh_from_db()
    assert group.unacknowledged == 0
    [(by, note)] = set(Alarm.objects.values_list("acknowledged_by", "note"))
    assert re.fullmatch("admin/user[0-9]+", by)
    assert note == "Lightning."
    assert acknowledge(user_of(organisation), [group]) == [acknowledging.NONE]
    assert handed_over == []


@pytest.mark.django_db(transaction=True)
def test_a_storm_is_acknowledged_in_the_background(
    organisation: Organisation, device: Device, handed_over: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SLICE", 2)
    monkeypatch.setattr(acknowledging, "AT_ONCE", 4)
    add_alarms(device, "POWER_UP", number=11)
    group = AlarmGroup.objects.get()
    told = acknowledge(user_of(organisation), [group], note="Grid")
    assert told == ["4 alarms acknowledged.", "The others, about 7, follow in the background."]
    [arguments] = handed_over
    late = add_alarms(device, "POWER_UP", number=2)
    tasks.acknowledge(*arguments)
    group.refresh_from_db()
    # Those that came since nobody has seen.
    assert (group.number, group.unacknowledged) == (13, 2)
    assert set(Alarm.objects.filter(acknowledged_at=None)) == set(late)
    assert set(Alarm.objects.exclude(note="").values_list("note", flat=True)) == {"Grid"}


@pytest.mark.django_db(transaction=True)
def test_an_organisation_that_went_meanwhile_acknowledges_nothing(device: Device) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    assert alarm.group_id is not None
    tasks.acknowledge(987654, [alarm.group_id], alarm.pk, "admin/gone", "")
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


def test_a_broker_that_is_away_leaves_the_rest_open(
    superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise BrokerError("refused")

    monkeypatch.setattr(services, "SLICE", 1)
    monkeypatch.setattr(acknowledging, "AT_ONCE", 1)
    monkeypatch.setattr(tasks.acknowledge, "apply_async", fail)
    add_alarms(device, "POWER_UP", number=2)
    told = acknowledge(superuser, list(AlarmGroup.objects.all()))
    assert told[0] == "1 alarm acknowledged."
    assert "stay open" in told[1]
    assert AlarmGroup.objects.get().unacknowledged == 1


def test_so_many_groups_at_once(superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledging, "MOST_GROUPS", 2)
    for name in ("POWER_UP", "CLOCK_INVALID", "REPLACE_BATTERY"):
        add_alarms(device, name)
    told = acknowledge(superuser, list(AlarmGroup.objects.all()), select_across="1")
    assert told[0] == "2 alarms acknowledged."
    assert "2 groups at most" in told[1]
    assert AlarmGroup.objects.filter(unacknowledged=1).count() == 1


# --- Single alarms -------------------------------------------------------------------------------------


def test_filters_of_alarms(superuser: Client, device: Device, gas_meter: Device) -> None:
    now = timezone.now()
    [up] = add_alarms(device, "POWER_UP", is_verified=True)
    [both] = add_alarms(device, "CLOCK_INVALID", "POWER_UP", at=now - timedelta(hours=2))
    [other] = add_alarms(make_device("E2"), unknown_bits=["1.31"], at=now - timedelta(days=8))
    services.acknowledge(Alarm.objects.filter(pk=both.pk), "somebody")
    assert listed(superuser, ALARMS) == listed(superuser, ALARMS, state="x", verified="x", received="x")
    assert listed(superuser, ALARMS) == [up, both, other]
    assert listed(superuser, ALARMS, state="open") == [up, other]
    assert listed(superuser, ALARMS, state="acknowledged") == [both]
    assert listed(superuser, ALARMS, type="POWER_UP") == [up, both]
    assert listed(superuser, ALARMS, type="UP") == []
    assert listed(superuser, ALARMS, verified="yes") == [up]
    assert listed(superuser, ALARMS, verified="no") == [both, other]
    assert listed(superuser, ALARMS, received="24h") == [up, both]
    assert listed(superuser, ALARMS, group=both.group_id) == [both]
    assert listed(superuser, ALARMS, q="E2") == listed(superuser, ALARMS, q=str(other.uid)) == [other]
    assert listed(superuser, ALARMS, q="E") == []
    text = superuser.get(reverse(ALARMS)).content.decode()
    assert "unknown bit 1.31" in text
    assert 'title="Anybody may have sent it"' in text


def test_a_page_tells_bit_by_bit(superuser: Client, organisation: Organisation) -> None:
    device = make_device("E1", owner=organisation)
    [alarm] = add_alarms(device, "CLOCK_INVALID", registers={1: 0x8021, 2: 0}, unknown_bits=["1.5", "1.15"])
    text = page_of(superuser, alarm)
    assert "0x00008021" in text
    bits = re.findall(r'<td class="number">([0-9]+)</td><td>(.*?)</td>', text)
    assert [number for number, _ in bits] == ["0", "5", "15"]
    assert bits[0][1] == "CLOCK_INVALID"
    assert all("unknown: the profile of the meter" in words for _, words in bits[1:])
    assert "no bit is set" in text
    assert "<b>Not verified.</b> Nothing proves that the meter sent it: anybody may have sent it." in text
    assert "it told no time" in text
    Alarm.objects.update(is_verified=True, happened_at=datetime.fromisoformat("2026-03-29T01:30:00Z"))
    text = page_of(superuser, alarm)
    assert "Verified: it came ciphered" in text
    assert "anybody" not in text
    assert "2026-03-29 01:30:00" in text


def test_a_name_that_was_learnt_later(superuser: Client, device: Device) -> None:
    [alarm] = add_alarms(device, registers={1: 1}, unknown_bits=["1.0"])
    assert "CLOCK_INVALID <span" in page_of(superuser, alarm)
    assert "it had no name when it was received" in page_of(superuser, alarm)


def test_the_page_leads_to_device_group_and_push(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    meter = add_meter(organisation)
    push = receive(frame(make_alarm(1)))
    receive(frame(cipher(make_alarm(1), 1)))
    decoding.decode_waiting()
    alarm = Alarm.objects.get(push=push)
    owner = user_of(organisation)
    for client, sees_push in ((superuser, True), (owner, False)):
        text = page_of(client, alarm)
        assert reverse("admin:devices_device_change", args=[meter.pk]) in text
        assert f"?group={alarm.group_id}" in text
        assert (reverse("admin:alarms_receivedpush_change", args=[push.pk]) in text) is sees_push
    push.delete()
    assert "forgotten" in page_of(superuser, alarm)


def test_one_alarm_is_acknowledged_on_its_page(organisation: Organisation, device: Device) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    owner = user_of(organisation)
    assert "Acknowledge</button>" in page_of(owner, alarm)
    answer, told = press(
        owner, ALARMS, "acknowledge_selected", [alarm], back=str(alarm.pk), note=f"{HOSTILE} seen"
    )
    assert told == ["1 alarm acknowledged."]
    assert answer.redirect_chain == [(reverse("admin:alarms_alarm_change", args=[alarm.pk]), 302)]
    text = page_of(owner, alarm)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; seen" in text
    assert HOSTILE not in text
    assert HOSTILE not in owner.get(reverse(ALARMS)).content.decode()
    assert "Acknowledge</button>" not in text


def test_notes_that_are_no_notes(superuser: Client, device: Device) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    for note in ("x" * 501, "NUL\0"):
        assert acknowledge(superuser, [alarm], note=note) == ["No action selected."]
    assert Alarm.objects.get().acknowledged_at is None


def test_so_many_alarms_at_once(superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledging, "AT_ONCE", 3)
    rows = add_alarms(device, "POWER_UP", number=5)
    told = acknowledge(superuser, rows[:1], select_across="1")
    assert told[0] == "3 alarms acknowledged."
    assert "3 at most" in told[1]
    assert AlarmGroup.objects.get().unacknowledged == 2


@pytest.mark.parametrize(
    ("function", "sees", "may"),
    [("MONITORING", True, False), ("MANAGEMENT", True, True), ("AD_HOC", False, False)],
)
def test_what_a_grant_allows(
    function: str, sees: bool, may: bool, device: Device, other_organisation: Organisation
) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    grant(other_organisation, device, DeviceFunctionGroup(function))
    client = user_of(other_organisation)
    assert listed(client, ALARMS) == ([alarm] if sees else [])
    if sees:
        assert ("Acknowledge</button>" in page_of(client, alarm)) is may
    else:
        url = reverse("admin:alarms_alarm_change", args=[alarm.pk])
        assert client.get(url)["Location"] == reverse("admin:index")
    acknowledge(client, [alarm])
    alarm.refresh_from_db()
    assert (alarm.acknowledged_at is not None) is may
    # Groups are those of owners, whoever else may see the alarms in them.
    acknowledge(client, [AlarmGroup.objects.get()])
    assert AlarmGroup.objects.get().unacknowledged == int(not may)


def test_permissions(organisation: Organisation, operator: Client, device: Device) -> None:
    [alarm] = add_alarms(device, "POWER_UP")
    for name in (GROUPS, ALARMS, PUSHES, RULES):
        assert operator.get(reverse(name)).status_code == 403
    reader = user_of(organisation, "view_alarm", "view_device")
    assert listed(reader, ALARMS) == [alarm]
    acknowledge(reader, [alarm])
    acknowledge(reader, [AlarmGroup.objects.get()])
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None
    assert "Acknowledge</button>" not in page_of(reader, alarm)
    everything = user_of(organisation)
    push = receive(b"\x00")
    assert everything.get(reverse(PUSHES)).status_code == 403
    assert everything.get(reverse("admin:alarms_receivedpush_change", args=[push.pk])).status_code == 403
    for row in (alarm, push):
        name = f"admin:alarms_{row._meta.model_name}"
        for client in (everything, user_of(None)):
            assert client.get(reverse(f"{name}_add")).status_code == 403
            assert client.post(reverse(f"{name}_change", args=[row.pk])).status_code == 403
            assert client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403


def test_the_navigation_begins_with_groups(superuser: Client, operator: Client) -> None:
    answer = superuser.get(reverse("admin:index"))
    apps = answer.context["available_apps"]
    [section] = [app for app in apps if app["app_label"] == "alarms"]
    assert [model["name"] for model in section["models"]] == [
        "Alarms",
        "Single alarms",
        "Received pushes",
        "Alarm rules",
    ]
    labels = [app["app_label"] for app in apps]
    assert labels.index("alarms") == labels.index("system_notes") + 1
    assert "alarms" not in [app["app_label"] for app in operator.get("/admin/").context["available_apps"]]


def test_the_device_s_page_has_its_latest_alarms(
    superuser: Client, operator: Client, organisation: Organisation, other_organisation: Organisation
) -> None:
    device = make_device("E1", owner=organisation)
    rows = add_alarms(device, "POWER_UP", number=7)
    add_alarms(make_device("E2"), "CLOCK_INVALID")
    text = page_of(superuser, device)
    assert text.count("POWER_<wbr>UP") == 5
    assert reverse("admin:alarms_alarm_change", args=[rows[-1].pk]) in text
    assert f"{reverse(ALARMS)}?q=E1" in text
    assert "CLOCK_<wbr>INVALID" not in text
    assert "POWER_<wbr>UP" not in page_of(operator, device)
    grant(other_organisation, device, DeviceFunctionGroup.AD_HOC)
    stranger = user_of(other_organisation)
    assert "POWER_<wbr>UP" not in page_of(stranger, device)


def test_the_overview_counts_open_groups(
    superuser: Client, operator: Client, other_organisation: Organisation, device: Device
) -> None:
    add_alarms(device, "POWER_UP", number=3)
    answer = superuser.get(reverse("admin:index"))
    assert answer.context["overview"]["alarms"].number == 1
    assert "open groups of alarms" in answer.content.decode()
    assert "alarms" not in operator.get(reverse("admin:index")).context["overview"]
    stranger = user_of(other_organisation)
    assert stranger.get(reverse("admin:index")).context["overview"]["alarms"].number == 0


# --- Received pushes -----------------------------------------------------------------------------------


def receive_all_kinds(organisation: Organisation) -> None:
    """A good one, a replayed one, one with a wrong tag, a stranger's, and what is no push."""
    add_meter(organisation)
    receive(frame(cipher(make_alarm(1), 1)))
    receive(frame(cipher(make_alarm(1), 1)))
    receive(frame(cipher(make_alarm(1), 2, authentication_key=bytes(16))))
    receive(frame(make_alarm(1, name="E0000000000000099")), source_address="2001:db8::7")
    receive(HOSTILE.encode(), transport="UDP", source_address="203.0.113.9")
    decoding.decode_waiting()


def test_pushes_by_outcome(superuser: Client, organisation: Organisation) -> None:
    receive_all_kinds(organisation)
    rows = listed(superuser, PUSHES)
    assert [row.outcome for row in rows] == ["UNKNOWN_FORM", "UNKNOWN_SENDER", "BAD_TAG", "REPLAYED", "ALARM"]
    unknown, stranger, forged, replayed, good = rows
    assert listed(superuser, PUSHES, outcome="REPLAYED") == [replayed]
    assert listed(superuser, PUSHES, transport__exact="UDP") == [unknown]
    assert listed(superuser, PUSHES, verified="yes") == [replayed, good]
    ReceivedPush.objects.filter(pk=good.pk).update(received_at=timezone.now() - timedelta(minutes=30))
    ReceivedPush.objects.exclude(pk=good.pk).update(received_at=timezone.now() - timedelta(hours=2))
    assert listed(superuser, PUSHES, received="1h") == [good]
    assert listed(superuser, PUSHES, q=NAME) == [forged, replayed, good]
    assert listed(superuser, PUSHES, q=SOURCE) == [forged, replayed, good]
    assert listed(superuser, PUSHES, q="2001:0DB8:0::7") == [stranger]
    assert listed(superuser, PUSHES, q=str(good.uid)) == [good]
    assert rows[0].length == len(HOSTILE)
    text = superuser.get(reverse(PUSHES)).content.decode()
    assert all(f'href="?outcome={row.outcome}"' in text for row in rows)
    assert "UDP 203.0.113.9:4059" in text
    assert "TCP [2001:db8::7]:4059" in text
    assert HOSTILE not in text


def test_the_octets_are_not_read_for_the_list(superuser: Client) -> None:
    receive(b"\x00" * 60_000)
    with CaptureQueriesContext(connection) as queries:
        listed(superuser, PUSHES)
    assert not [query for query in queries if re.search(r'SELECT (?!.*LENGTH).*"octets"', query["sql"])]


def test_the_page_of_a_push(superuser: Client, organisation: Organisation) -> None:
    receive_all_kinds(organisation)
    unknown, stranger, forged, replayed, good = listed(superuser, PUSHES)
    text = page_of(superuser, unknown)
    assert "3c 73 63 72 69 70 74 3e  61 6c 65 72 74 28 31 29" in text
    assert "&lt;script&gt;alert(1)" in text
    assert HOSTILE not in text
    alarm = Alarm.objects.get(push=good)
    text = page_of(superuser, good)
    assert reverse("admin:alarms_alarm_change", args=[alarm.pk]) in text
    assert "CLOCK_INVALID" in text
    assert "ciphered with the keys of the device" in text
    assert "There is no such device." in page_of(superuser, stranger)
    for push, may in ((unknown, True), (stranger, True), (forged, True), (replayed, False), (good, False)):
        assert ("Decode again</button>" in page_of(superuser, push)) is may
    assert "Decode again</button>" not in page_of(user_of(None, "view_receivedpush"), unknown)


@pytest.mark.parametrize(
    "details",
    [
        {
            "reason": HOSTILE,
            HOSTILE: HOSTILE,
            "values": [{"obis": HOSTILE, "value": HOSTILE, "unit": HOSTILE}],
        },
        {"alarm_types": [HOSTILE], "list_name": HOSTILE, "address": HOSTILE},
        {"alarm_types": HOSTILE, "values": {"a": [[[HOSTILE]]]}},
        [HOSTILE],
        HOSTILE,
        None,
        {"reason": 5},
    ],
    ids=["reason", "names", "shapes", "list", "text", "nothing", "number"],
)
def test_details_of_any_kind(superuser: Client, details: Any) -> None:
    push = receive(b"\x00", outcome=HOSTILE[:24], details=details or {})
    if details is None:
        ReceivedPush.objects.update(details=[])
    text = page_of(superuser, push) + superuser.get(reverse(PUSHES)).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_long_push_is_cut(superuser: Client) -> None:
    push = receive(bytes(range(256)) * 20)
    text = page_of(superuser, push)
    assert "… and 1,024 more octets" in text
    assert "5,120, with all frames" in text
    [dump] = re.findall(r'<pre class="hex-dump">(.*?)</pre>', text, re.DOTALL)
    assert dump.count("\n") == hex_dump.MOST_OCTETS // hex_dump.OCTETS_PER_LINE


def test_a_dump() -> None:
    dump = hex_dump.dump(b"\x00\x1f A~\x7f\xffz" + b"0123456789")
    assert [line.offset for line in dump.lines] == ["0000", "0010"]
    assert dump.lines[0].octets == "00 1f 20 41 7e 7f ff 7a  30 31 32 33 34 35 36 37"
    assert dump.lines[0].text == "·· A~··z01234567"
    assert dump.lines[1].octets.rstrip() == "38 39"
    assert len(dump.lines[1].octets) == len(dump.lines[0].octets)
    assert (hex_dump.dump(b"").lines, hex_dump.dump(b"").more) == ([], 0)


def test_decoding_again(superuser: Client, organisation: Organisation) -> None:
    receive_all_kinds(organisation)
    rows = listed(superuser, PUSHES)
    make_device("E0000000000000099", owner=organisation)
    answer, told = press(superuser, PUSHES, "decode_again_selected", [rows[1]], back=str(rows[1].pk))
    assert told == ["1 push will be decoded again in a moment."]
    assert answer.redirect_chain[0][0] == reverse("admin:alarms_receivedpush_change", args=[rows[1].pk])
    decoding.decode_waiting()
    rows[1].refresh_from_db()
    assert rows[1].outcome == "ALARM"
    _, told = press(superuser, PUSHES, "decode_again_selected", [rows[1], rows[3], rows[4]])
    assert told == ["None of these pushes may be decoded again: they were used, or had come before."]
    assert not ReceivedPush.objects.filter(outcome="WAITING").exists()
    reader = user_of(None, "view_receivedpush")
    press(reader, PUSHES, "decode_again_selected", [rows[0]])
    assert not ReceivedPush.objects.filter(outcome="WAITING").exists()


def test_so_many_are_decoded_again_at_once(superuser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_pages, "AT_ONCE", 4)
    monkeypatch.setattr(again, "SLICE", 2)
    for _ in range(7):
        receive(b"\x00", outcome="MALFORMED")
    rows = listed(superuser, PUSHES)
    _, told = press(superuser, PUSHES, "decode_again_selected", rows[:1], select_across="1")
    assert told[0] == "4 pushes will be decoded again in a moment."
    assert len(told) == 2
    assert ReceivedPush.objects.filter(outcome="WAITING").count() == 4


def test_the_chart_counts_by_hour_and_kind(superuser: Client) -> None:
    now = timezone.now()
    counting.add(
        {
            CountKey.at(now, "TCP", "ALARM"): 5000,
            CountKey.at(now, "UDP", "ALARM"): 7,
            CountKey.at(now, "TCP", "RECEIVED"): 9999,
            CountKey.at(now, "TCP", "BAD_TAG"): 1,
            CountKey.at(now - timedelta(hours=2), "TCP", "REPLAYED"): 3,
            CountKey.at(now - timedelta(hours=2), "UDP", "RATE_LIMITED"): 20,
            CountKey.at(now - timedelta(hours=2), "UDP", "UNKNOWN_SENDER"): 4,
            CountKey.at(now - timedelta(hours=2), "UDP", "TRUNCATED"): 2,
            CountKey.at(now - timedelta(hours=2), "UDP", "DOUBLED"): 6,
            CountKey.at(now - timedelta(days=2), "TCP", "ALARM"): 1_000_000,
            CountKey.at(now + timedelta(hours=3), "TCP", "ALARM"): 1_000_000,
        }
    )
    drawn = push_chart.draw()
    assert drawn.total == 5000 + 7 + 1 + 3 + 20 + 4 + 2 + 6
    assert [(each.outcome, each.number) for each in drawn.outcomes] == [
        ("RATE_LIMITED", 20),
        ("REPLAYED", 3),
        ("BAD_TAG", 1),
        ("TRUNCATED", 2),
        ("UNKNOWN_SENDER", 4),
        ("DOUBLED", 6),
        ("ALARM", 5007),
    ]
    running, before = drawn.chart.bars[-1], drawn.chart.bars[-3]
    assert [part.tone for part in running.parts] == ["bad", "good"]
    assert running.is_running
    assert [part.tone for part in before.parts] == ["lost", "bad", "unusable", "warning", "neutral"]
    assert "20 lost (20 rate limited)" in before.title
    assert "5,007 taken (5,007 alarm)" in running.title
    assert sum(len(bar.parts) for bar in drawn.chart.bars) == 7
    text = superuser.get(reverse(PUSHES)).content.decode()
    assert f"{reverse(PUSHES)}?outcome=BAD_TAG" in text
    assert "?outcome=RATE_LIMITED" not in text  # None of those was kept.


def test_without_pushes_there_is_no_chart(superuser: Client) -> None:
    assert "None was received." in superuser.get(reverse(PUSHES)).content.decode()


# --- Rules ---------------------------------------------------------------------------------------------


FIELDS = {
    "name": "set the clock",
    "enabled": "on",
    "alarm_type": "CLOCK_INVALID",
    "most_per_hour": "2",
    "priority": "7",
}


def post_rule(client: Client, message: str = "SynchronizeTime", query: str = "", **data: str) -> Any:
    url = f"{reverse('admin:alarms_alarmrule_add')}?message={message}{query}"
    return client.post(url, {**FIELDS, **data})


def test_a_rule_is_made_as_by_the_api(organisation: Organisation) -> None:
    owner = user_of(organisation)
    answer = post_rule(owner)
    rule = AlarmRule.objects.get()
    assert answer["Location"] == reverse("admin:alarms_alarmrule_change", args=[rule.pk])
    assert (rule.organisation, rule.message, rule.alarm_type) == (
        organisation,
        "SynchronizeTime",
        "CLOCK_INVALID",
    )
    assert (rule.most_per_hour, rule.priority, rule.only_verified, rule.enabled) == (2, 7, False, True)
    text = page_of(owner, rule)
    assert "is sent <b>SynchronizeTime</b>, at most 2 times an hour" in text
    # Those that are refused are told at their fields, and nothing is stored.
    for field, value, words in (
        ("name", FIELDS["name"], "There is a rule of this name."),
        ("name", "", "may not be blank"),
        ("alarm_type", "", "This field is required."),
        ("most_per_hour", "61", "less than or equal to 60"),
        ("priority", "10", "less than or equal to 9"),
    ):
        answer = post_rule(owner, **{"name": "another", field: value})
        assert answer.status_code == 200
        assert words in str(answer.context["form"].errors[field])
    assert AlarmRule.objects.count() == 1


def test_parameters_are_those_of_the_message(organisation: Organisation) -> None:
    owner = user_of(organisation)
    given = {"parameter-event_log_category": "STANDARD_EVENT_LOG"}
    answer = post_rule(owner, "FindEvents", **given, **{"parameter-from": "2026-01-02T00:00:00"})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    answer = post_rule(owner, "FindEvents", **given, **{"parameter-relative_period": "PREVIOUS_DAY"})
    assert answer.status_code == 302
    rule = AlarmRule.objects.get()
    assert rule.parameters == {"event_log_category": "STANDARD_EVENT_LOG", "relative_period": "PREVIOUS_DAY"}
    edit = reverse("admin:alarms_alarmrule_edit", args=[rule.pk])
    form = owner.get(edit).context["form"]
    assert form["parameter-relative_period"].value() == "PREVIOUS_DAY"
    assert form["name"].value() == FIELDS["name"]
    answer = owner.post(
        edit, {**FIELDS, "name": "renamed", **given, "parameter-relative_period": "PREVIOUS_MONTH"}
    )
    changed = AlarmRule.objects.get()
    assert answer.status_code == 302, answer.context["form"].errors
    assert (changed.pk, changed.name, changed.enabled) == (rule.pk, "renamed", True)
    assert changed.parameters["relative_period"] == "PREVIOUS_MONTH"


def test_only_what_rules_may_send_is_offered(organisation: Organisation) -> None:
    owner = user_of(organisation)
    form = owner.get(reverse("admin:alarms_alarmrule_add")).context["choose"]
    offered = {name for _, names in form.fields["message"].choices[1:] for name, _ in names}
    assert {"SynchronizeTime", "ScanMbusChannels"} <= offered
    assert not {"AddDevice", "ReplaceKeys", "SetKeyOnGMeter"} & offered
    assert post_rule(owner, "AddDevice").context["form"] is None
    assert not AlarmRule.objects.exists()


def test_rules_are_confined_to_their_organisation(
    superuser: Client, organisation: Organisation, other_organisation: Organisation
) -> None:
    owner, stranger = user_of(organisation), user_of(other_organisation)
    post_rule(owner, query=f"&organisation={other_organisation.pk}")
    rule = AlarmRule.objects.get()
    assert rule.organisation == organisation
    assert listed(stranger, RULES) == []
    for name in ("change", "edit", "delete"):
        url = reverse(f"admin:alarms_alarmrule_{name}", args=[rule.pk])
        assert stranger.get(url)["Location"] == reverse("admin:index")
        assert stranger.post(url, {**FIELDS, "name": "stolen", "post": "yes"}).status_code in (302, 403)
    rule.refresh_from_db()
    assert rule.name == FIELDS["name"]
    post_rule(superuser, query=f"&organisation={other_organisation.pk}")
    assert AlarmRule.objects.filter(organisation=other_organisation).count() == 1
    assert len(listed(superuser, RULES)) == 2
    assert listed(superuser, RULES, organisation=organisation.pk) == [rule]


def test_permissions_of_rules(organisation: Organisation) -> None:
    post_rule(user_of(organisation))
    rule = AlarmRule.objects.get()
    reader = user_of(organisation, "view_alarmrule")
    text = page_of(reader, rule)
    edit = reverse("admin:alarms_alarmrule_edit", args=[rule.pk])
    delete = reverse("admin:alarms_alarmrule_delete", args=[rule.pk])
    assert edit not in text
    assert delete not in text
    assert reader.get(edit).status_code == reader.post(edit, FIELDS).status_code == 403
    assert reader.get(delete).status_code == post_rule(reader, name="another").status_code == 403
    owner = user_of(organisation)
    assert edit in page_of(owner, rule)
    assert owner.post(delete, {"post": "yes"}).status_code == 302
    assert not AlarmRule.objects.exists()


def test_a_rule_tells_its_last_fault(superuser: Client, organisation: Organisation) -> None:
    fault = {"code": 417, "name": "EXPIRED", "message": HOSTILE, "component": HOSTILE, "retryable": False}
    rule = AlarmRule.objects.create(
        organisation=organisation,
        name=HOSTILE[:30],
        alarm_type=HOSTILE,
        message=HOSTILE,
        parameters={HOSTILE: HOSTILE},
        last_fault=fault,
    )
    text = page_of(superuser, rule) + superuser.get(reverse(RULES)).content.decode()
    text += superuser.get(reverse("admin:alarms_alarmrule_edit", args=[rule.pk])).content.decode()
    assert "<b>417</b> EXPIRED" in text
    assert "<script>alert" not in text


# --- All of them ---------------------------------------------------------------------------------------


def test_hostile_values_are_escaped(superuser: Client, organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name=HOSTILE)
    device = make_device("E1", owner=organisation, network=network)
    rows = add_alarms(device, HOSTILE, unknown_bits=[HOSTILE], registers={1: 2**32 - 1}, number=2)
    Alarm.objects.update(
        trigger=HOSTILE, acknowledged_by=HOSTILE, note=HOSTILE, acknowledged_at=timezone.now()
    )
    text = page_of(superuser, rows[0]) + page_of(superuser, device)
    for url in (
        reverse(ALARMS),
        reverse(GROUPS),
        f"{reverse(ALARMS)}?group={rows[0].group_id}",
        "/admin/live/",
    ):
        text += superuser.get(url).content.decode()
    for value in (HOSTILE, '"><i>'):
        for name in (ALARMS, GROUPS, PUSHES):
            query = dict.fromkeys(
                ("q", "type", "state", "group", "network", "received", "last", "outcome", "verified"), value
            )
            text += superuser.get(reverse(name), query).content.decode()
    assert "alert(1)" in text
    assert HOSTILE not in text
    assert '"><i>' not in text


def test_no_list_queries_per_row(superuser: Client, organisation: Organisation) -> None:
    owner = user_of(organisation)
    lists = [(superuser, name) for name in (GROUPS, ALARMS, PUSHES, RULES)]
    lists += [(owner, name) for name in (GROUPS, ALARMS, RULES)]

    def fill(start: int, number: int) -> None:
        for index in range(start, start + number):
            network = CommunicationNetwork.objects.create(name=f"net {index}")
            device = make_device(f"E{index}", owner=organisation, network=network)
            add_alarms(device, "POWER_UP")
            receive(b"\x00", device=device, outcome="MALFORMED", details={"reason": "x"})
            counting.add({CountKey.at(timezone.now(), "TCP", f"OUTCOME_{index}"): 1})
            AlarmRule.objects.create(
                organisation=organisation,
                name=f"rule {index}",
                alarm_type="POWER_UP",
                message="SynchronizeTime",
            )

    fill(0, 2)
    few = [count_queries(client, reverse(name)) for client, name in lists]
    fill(2, 30)
    assert [count_queries(client, reverse(name)) for client, name in lists] == few
    assert max(few) <= 8


def test_no_list_counts_the_whole_table(superuser: Client, device: Device) -> None:
    add_alarms(device, "POWER_UP")
    receive(b"\x00")
    for name in (GROUPS, ALARMS, PUSHES):
        with CaptureQueriesContext(connection) as queries:
            superuser.get(reverse(name))
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert counts
        assert all("LIMIT" in sql for sql in counts), counts


# --- The live page -------------------------------------------------------------------------------------


def test_alarms_arrive_on_the_live_page(
    superuser: Client, organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    now = timezone.now()
    add_alarms(device, "POWER_UP", number=180, at=now - timedelta(seconds=30))
    add_alarms(device, "CLOCK_INVALID", at=now - timedelta(hours=3))
    add_alarms(make_device("E2", owner=other_organisation), "FRAUD_ATTEMPT", number=2)
    group = AlarmGroup.objects.get(kind="POWER_UP")
    text = superuser.get("/admin/live/panels/").content.decode()
    assert f'<a href="{reverse(ALARMS)}?group={group.pk}"><b>180</b> × POWER_UP</a>' in text
    assert "FRAUD_ATTEMPT" in text
    assert "CLOCK_INVALID" not in text
    text = user_of(organisation).get("/admin/live/panels/").content.decode()
    assert "POWER_UP" in text
    assert "FRAUD_ATTEMPT" not in text
    assert "POWER_UP" not in user_of(organisation, "view_request").get("/admin/live/").content.decode()
    # Alarms alone are worth the page.
    assert user_of(organisation, "view_alarm").get("/admin/live/").status_code == 200


def test_the_rate_in_a_storm_is_that_of_its_latest_alarms(
    superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    monkeypatch.setattr(live_alarms, "MOST_COUNTED", 60)
    add_alarms(device, "POWER_UP", number=30, at=now - timedelta(minutes=50))
    add_alarms(device, "POWER_UP", number=100, at=now - timedelta(seconds=30))
    add_alarms(device, "CLOCK_INVALID", number=30, at=now - timedelta(minutes=1))
    add_alarms(device, "REPLACE_BATTERY", at=now - timedelta(minutes=2))
    request = superuser.get("/admin/live/").wsgi_request
    arrived = live_alarms.gather_alarms(request)
    assert arrived is not None
    assert [(group.kind, group.number, group.rate) for group in arrived.groups] == [
        ("POWER_UP", 130, "120"),
        ("CLOCK_INVALID", 30, "0.5"),
        ("REPLACE_BATTERY", 1, "< 0.1"),
    ]


def test_the_live_page_does_not_query_per_group(superuser: Client) -> None:
    devices = [make_device(f"E{number}") for number in range(3)]
    add_alarms(devices[0], "POWER_UP")
    few = count_queries(superuser, "/admin/live/panels/")
    for number in range(20):
        add_alarms(devices[number % 3], f"OTHER_{uuid.uuid4().hex[:6]}")
    assert count_queries(superuser, "/admin/live/panels/") == few
