"""Alarms in the admin, grouped and single: who sees and acknowledges them, and pages with hostile values."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.alarms import acknowledging as services
from osgp.alarms import decoding, tasks
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from osgp.pages.alarms import acknowledging
from tests.admin.alarm_pages import (
    ALARMS,
    GROUPS,
    HOSTILE,
    PUSHES,
    RULES,
    acknowledge,
    add_alarms,
    listed,
    page_of,
    press,
    user_of,
)
from tests.alarms.pushing import add_meter, cipher, frame, make_alarm, receive
from tests.factories import grant, make_device

pytestmark = pytest.mark.django_db


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
    assert listed(superuser, ALARMS) == listed(superuser, ALARMS, state="x", verified="x")
    assert listed(superuser, ALARMS, received="x") == []
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
