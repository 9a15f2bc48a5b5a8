"""Received pushes in the admin: by outcome, octet by octet, hour by hour, and decoded again."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.alarms import again, counting, decoding
from osgp.alarms.counting import make_key
from osgp.alarms.models import Alarm, ReceivedPush, Transport
from osgp.listener import storing
from osgp.listener.pushes import Push
from osgp.pages.alarms import hex_dump, push_chart, push_pages
from tests.admin.alarm_pages import HOSTILE, PUSHES, listed, page_of, press, user_of
from tests.alarms.pushing import NAME, SOURCE, add_meter, cipher, frame, make_alarm, receive
from tests.factories import make_device

pytestmark = pytest.mark.django_db


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


def test_what_the_listener_did_not_understand(superuser: Client) -> None:
    """Its reason stands where that of decoding does, in the list and on the page."""
    reason = "It begins no known form."
    storing.store([Push(Transport.TCP, SOURCE, 4059, b"\xff", "UNKNOWN_FORM", reason)])
    [row] = listed(superuser, PUSHES)
    assert reason in superuser.get(reverse(PUSHES)).content.decode()
    assert page_of(superuser, row).count(reason) == 1


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
            make_key(Transport.TCP, "ALARM", now): 5000,
            make_key(Transport.UDP, "ALARM", now): 7,
            make_key(Transport.TCP, "RECEIVED", now): 9999,
            make_key(Transport.TCP, "BAD_TAG", now): 1,
            make_key(Transport.TCP, "REPLAYED", now - timedelta(hours=2)): 3,
            make_key(Transport.UDP, "RATE_LIMITED", now - timedelta(hours=2)): 20,
            make_key(Transport.UDP, "UNKNOWN_SENDER", now - timedelta(hours=2)): 4,
            make_key(Transport.UDP, "TRUNCATED", now - timedelta(hours=2)): 2,
            make_key(Transport.UDP, "DOUBLED", now - timedelta(hours=2)): 6,
            make_key(Transport.TCP, "ALARM", now - timedelta(days=2)): 1_000_000,
            make_key(Transport.TCP, "ALARM", now + timedelta(hours=3)): 1_000_000,
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
    assert f"{reverse(PUSHES)}?outcome=BAD_TAG&amp;received=" in text
    assert "?outcome=RATE_LIMITED" not in text  # None of those was kept.


def follow(client: Client, url: str) -> list[ReceivedPush]:
    answer = client.get(url)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def test_the_chart_leads_to_the_pushes_that_it_counts(superuser: Client, organisation: Organisation) -> None:
    now = timezone.now()
    add_meter(organisation)
    for ago in (timedelta(), timedelta(hours=3), timedelta(days=3)):
        receive(frame(make_alarm(4)), received_at=now - ago)
        receive(b"\x00", received_at=now - ago)
        receive(frame(make_alarm(4, name="E0000000000000099")), received_at=now - ago)
    decoding.decode_waiting()
    receive(b"\x00", received_at=now)  # It waits, and is not counted yet.
    drawn = push_chart.draw()
    assert drawn.total == 6
    bars = [bar for bar in drawn.chart.bars if bar.parts]
    assert [len(bar.parts) for bar in bars] == [3, 3]
    for bar in bars:
        assert len(follow(superuser, bar.url)) == 3
        assert [len(follow(superuser, part.url)) for part in bar.parts] == [1, 1, 1]
    for each in drawn.outcomes:
        assert [push.outcome for push in follow(superuser, each.url)] == [each.outcome] * each.number


def test_the_chart_counts_what_was_decoded_again_once(superuser: Client, organisation: Organisation) -> None:
    receive(frame(make_alarm(4)), received_at=timezone.now())
    decoding.decode_waiting()
    assert [each.outcome for each in push_chart.draw().outcomes] == ["UNKNOWN_SENDER"]
    add_meter(organisation)
    assert again.decode_again(ReceivedPush.objects.all()) == 1
    decoding.decode_waiting()
    drawn = push_chart.draw()
    assert [(each.outcome, each.number) for each in drawn.outcomes] == [("ALARM", 1)]
    assert "sender" not in drawn.chart.bars[-1].title


@pytest.mark.parametrize("query", ["outcome=ALARM~NONE", "received=yesterday", "received=2026-13-01T00:00Z/"])
def test_filters_that_are_none(superuser: Client, query: str) -> None:
    receive(b"\x00", outcome="MALFORMED")
    assert follow(superuser, f"{reverse(PUSHES)}?{query}") == []


def test_without_pushes_there_is_no_chart(superuser: Client) -> None:
    assert "None was received." in superuser.get(reverse(PUSHES)).content.decode()
