"""Decoding pushes that were received: to alarms, readings and announced addresses, a slice in a transaction.

A push is decoded once, in the transaction of what comes of it. One that is no good is kept with the reason,
as far as that is safe (keeping.py), and never stops those behind it.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from osgp.alarms import counting, doubles, keeping, rules, storing
from osgp.alarms.counting import make_key
from osgp.alarms.findings import Finding
from osgp.alarms.gains import Gains
from osgp.alarms.models import PushOutcome, ReceivedPush, Transport
from osgp.alarms.opening import OpenedPush, decode_for, needs_zone, open_push
from osgp.alarms.replays import CounterKey, PushCounters
from osgp.alarms.senders import Deciphered, Senders
from osgp.cosem.pushes import AlarmPush, UnknownPush, WakeUpPush
from osgp.cosem.pushes.decoding import Push
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.protocol_dlms.push.errors import PushError, PushFault

logger = logging.getLogger(__name__)

SLICE = 200
"""Pushes that are decoded in one transaction: a tenth of a second at most, usually."""


def decode_some() -> int:
    """Decode a slice; return how many pushes it had. One that makes it fail fails alone."""
    try:
        return decode_waiting()
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        logger.exception("a slice of pushes could not be decoded; trying one by one")
    done = 0
    while done < SLICE and _decode_one():
        done += 1
    return done


def _decode_one() -> bool:
    waiting = ReceivedPush.objects.filter(outcome=PushOutcome.WAITING).order_by("pk")
    oldest = waiting.values_list("pk", flat=True).first()
    if oldest is None:
        return False
    try:
        return bool(decode_waiting(1))
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        logger.exception("push %s could not be decoded", oldest)
        waiting.filter(pk=oldest).update(outcome=PushOutcome.ERROR)
        return True


@transaction.atomic
def decode_waiting(limit: int = SLICE) -> int:
    """Decode the oldest pushes that wait and that no other process is decoding; return how many."""
    waiting = ReceivedPush.objects.filter(outcome=PushOutcome.WAITING).order_by("pk")
    pushes = list(waiting.select_for_update(skip_locked=True, of=("self",))[:limit])
    if not pushes:
        return 0
    findings = [Finding(push, is_counted=push.is_counted) for push in pushes]
    gains = Gains()
    _decode(findings, gains)
    stored = storing.store(gains.alarms)
    gains.store_readings()
    gains.announce_addresses()
    rules.apply(stored)
    keeping.keep(findings)
    counting.add(
        Counter(
            make_key(Transport(finding.push.transport), finding.outcome, finding.push.received_at)
            for finding in findings
        )
    )
    counting.add_unknown_bits(gains.count_unknown_bits())
    return len(pushes)


def _decode(findings: Sequence[Finding], gains: Gains) -> None:
    opened: list[tuple[Finding, OpenedPush]] = []
    for finding in findings:
        with _Guard(finding):
            opened.append((finding, open_push(finding.push)))
    senders = Senders.find(
        (push, finding.push.source_address, finding.push.device_id) for finding, push in opened
    )
    deciphered: dict[int, list[Deciphered]] = {}
    for finding, push in opened:
        if push.protected is not None:
            with _Guard(finding):
                deciphered[finding.push.pk] = _decipher(finding, push, senders)
    counters = PushCounters.lock(
        [key for finding, push in opened for key in _list_counters(push, deciphered.get(finding.push.pk, ()))]
    )
    known_doubles = doubles.Doubles.find(
        plain=[finding.push for finding, push in opened if push.protected is None],
        numbered=[
            finding.push
            for finding, push in opened
            if push.protected is not None and not push.protected.is_authenticated
        ],
    )
    for finding, push in opened:
        with _Guard(finding):
            if push.protected is None:
                _conclude_plain(finding, push, senders, gains, known_doubles)
            elif finding.push.pk in deciphered:
                _conclude_ciphered(finding, push, deciphered[finding.push.pk], counters, gains, known_doubles)
    counters.save()


class _Guard:
    """Turns an error of one push into its outcome, so that the others of the slice go on."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, PushError):
            self._finding.fail(error)
        elif isinstance(error, Fault):
            self._finding.outcome = PushOutcome.KEYS_UNREADABLE
            self._finding.details["reason"] = error.message
        elif isinstance(error, Exception):
            logger.error("push %s could not be decoded", self._finding.push.uid, exc_info=error)
            self._finding.outcome = PushOutcome.ERROR
            self._finding.details["reason"] = "An internal error; the log of the worker tells more."
        else:
            return False
        return True


def _decipher(finding: Finding, push: OpenedPush, senders: Senders) -> list[Deciphered]:
    assert push.protected is not None
    title = push.protected.system_title.hex().upper()
    finding.details |= {"system_title": title, "invocation_counter": push.protected.invocation_counter}
    if title not in senders.by_title:
        finding.outcome = PushOutcome.UNKNOWN_SENDER
        finding.details["reason"] = (
            "No device has this system title." if title else "It leaves its system title out."
        )
        return []
    finding.device = senders.by_title[title][0]
    return senders.decipher(push)


def _list_counters(push: OpenedPush, deciphered: Sequence[Deciphered]) -> list[CounterKey]:
    if push.protected is None or not push.protected.is_authenticated:
        return []
    title = push.protected.system_title.hex().upper()
    return [(each.counter_id, title) for each in deciphered[:1] if each.counter_id is not None]


def _conclude_plain(
    finding: Finding,
    push: OpenedPush,
    senders: Senders,
    gains: Gains,
    known_doubles: doubles.Doubles,
) -> None:
    device = senders.find_plain(push, finding.push.source_address, finding.push.device_id)
    if device is None:
        finding.outcome = PushOutcome.UNKNOWN_SENDER
        if push.said is not None and isinstance(push.said, UnknownPush):
            finding.outcome = PushOutcome.UNKNOWN_FORM
            finding.details["reason"] = push.said.reason
        elif push.identification:
            finding.details |= {"says_to_be": push.identification, "reason": "There is no such device."}
        else:
            finding.details["reason"] = "It does not say which device it is from."
        return
    finding.device = device
    assert push.said is not None
    if known_doubles.is_double(finding.push):
        finding.outcome = PushOutcome.DOUBLED
        finding.details["reason"] = "The same came from there within a minute."
        return
    _conclude(finding, push.apdu, push.said, device, gains)


def _conclude_ciphered(
    finding: Finding,
    push: OpenedPush,
    deciphered: Sequence[Deciphered],
    counters: PushCounters,
    gains: Gains,
    known_doubles: doubles.Doubles,
) -> None:
    """Take the counter once, then conclude for each device row of the meter."""
    if not deciphered:
        return
    protected = push.protected
    assert protected is not None
    finding.device = deciphered[0].device
    finding.is_verified = protected.is_authenticated
    if not finding.is_verified and known_doubles.is_numbered_double(finding.push):
        finding.outcome = PushOutcome.DOUBLED
        finding.details["reason"] = "The same came before, with the same invocation counter."
        return
    if not finding.is_counted:
        for key in _list_counters(push, deciphered):
            if not counters.accept(key, protected.invocation_counter):
                text = f"Invocation counter {protected.invocation_counter} came before, or is too old."
                raise PushError(PushFault.REPLAYED, text)
        finding.is_counted = True
    is_told = False
    for each in deciphered:
        said = decode_for(each.apdu, each.device)
        named = None if isinstance(said, UnknownPush) else said.identification
        # A meter that is registered twice has two names, of which it tells one.
        if not isinstance(said, AlarmPush | WakeUpPush) or named == each.device.identification:
            _conclude(finding, each.apdu, said, each.device, gains)
            is_told = True
    if not is_told:
        text = "The push names another device than its system title does."
        raise PushError(PushFault.WRONG_SYSTEM_TITLE, text)


def _conclude(finding: Finding, apdu: bytes, said: Push, device: Device, gains: Gains) -> None:
    if not finding.is_verified and needs_zone(said):
        said = decode_for(apdu, device)
    outcome, details = gains.take(said, finding.push, device, is_verified=finding.is_verified)
    finding.outcome = outcome
    finding.details |= details
