"""Rules: a message to a device that reports an alarm, such as ScanMbusChannels for a new M-Bus device."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from rest_framework.exceptions import ValidationError

from osgp.accounts.rights import find_owners
from osgp.alarms.models import Alarm, AlarmRule
from osgp.faults import Fault, FaultCode
from osgp.requests.models import Request
from osgp.requests.submission import make_organisation_caller, submit
from osgp.sql import add_to_now

HOUR = timedelta(hours=1)
PREFIX = "rule/"
"""Of the application that requests of rules name."""


def apply(alarms: Sequence[Alarm]) -> int:
    """Send what enabled rules say for new alarms; return how many requests were made.

    Belongs in the transaction of the alarms. What a rule cannot send is noted with it, and harms no alarm.
    Three statements for any number of alarms that rules are for, beside those of the requests.
    """
    matches = _lock(_list_matches(alarms))
    if not matches:
        return 0
    owners = find_owners({alarm.device_id for _, alarm in matches})
    sent = _count_sent({alarm.device.identification for _, alarm in matches})
    made = 0
    for rule, alarm in matches:
        key = (alarm.device.identification, rule.organisation_id, _name_application(rule))
        if rule.organisation_id not in owners.get(alarm.device_id, ()) or sent[key] >= rule.most_per_hour:
            continue
        if _send(rule, alarm):
            sent[key] += 1
            made += 1
    return made


def _list_matches(alarms: Sequence[Alarm]) -> list[tuple[AlarmRule, Alarm]]:
    """Return the rules that are for these alarms, whoever owns the devices."""
    by_type: dict[str, list[AlarmRule]] = defaultdict(list)
    enabled = AlarmRule.objects.filter(enabled=True, organisation__enabled=True)
    for rule in enabled.select_related("organisation"):
        by_type[rule.alarm_type].append(rule)
    return [
        (rule, alarm)
        for alarm in alarms
        for name in alarm.alarm_types
        for rule in by_type.get(name, ())
        if alarm.is_verified or not rule.only_verified
    ]


def _lock(matches: Sequence[tuple[AlarmRule, Alarm]]) -> list[tuple[AlarmRule, Alarm]]:
    """Lock the rules of matches; return the matches of those that are still enabled.

    Workers that decode at the same time would each count what the others have not committed, and send more
    than the limit. Locked in one order, so that none waits for another in a circle.
    """
    keys = {rule.pk for rule, _ in matches}
    if not keys:
        return []
    enabled = AlarmRule.objects.filter(pk__in=keys, enabled=True).order_by("pk")
    locked = set(enabled.select_for_update(no_key=True).values_list("pk", flat=True))
    return [(rule, alarm) for rule, alarm in matches if rule.pk in locked]


def _count_sent(devices: Collection[str]) -> Counter[tuple[str, int, str]]:
    """Return how many requests rules have sent in the last hour: by device, organisation and application."""
    of_rules = Request.objects.filter(
        device_identification__in=devices,
        created_at__gt=add_to_now(-HOUR),
        application__startswith=PREFIX,
    )
    columns = ("device_identification", "organisation_id", "application")
    return Counter(of_rules.order_by().values_list(*columns))


def _name_application(rule: AlarmRule) -> str:
    return f"{PREFIX}{rule.name}"


def _send(rule: AlarmRule, alarm: Alarm) -> bool:
    body = {
        **rule.parameters,
        "device_identification": alarm.device.identification,
        "priority": rule.priority,
    }
    caller = make_organisation_caller(rule.organisation, _name_application(rule))
    try:
        with transaction.atomic():
            submit(caller, rule.message, body)
    except Fault as fault:
        return _note_failure(rule, fault)
    except ValidationError:
        text = f"{rule.message} does not take these parameters any more."
        return _note_failure(rule, Fault(FaultCode.VALIDATION_ERROR, text))
    AlarmRule.objects.filter(pk=rule.pk).update(last_sent_at=Now(), last_fault=None)
    return True


def _note_failure(rule: AlarmRule, fault: Fault) -> bool:
    AlarmRule.objects.filter(pk=rule.pk).update(last_fault=fault.as_dict())
    return False
