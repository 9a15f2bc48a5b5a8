"""Rules: a message to a device that reports an alarm, such as ScanMbusChannels for a new M-Bus device."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from rest_framework.exceptions import ValidationError

from osgp.accounts.rights import is_owner
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
    """
    by_type: dict[str, list[AlarmRule]] = defaultdict(list)
    for rule in AlarmRule.objects.filter(enabled=True, organisation__enabled=True).select_related(
        "organisation"
    ):
        by_type[rule.alarm_type].append(rule)
    if not by_type:
        return 0
    return sum(
        _apply(rule, alarm)
        for alarm in alarms
        for name in alarm.alarm_types
        for rule in by_type.get(name, ())
    )


def _apply(rule: AlarmRule, alarm: Alarm) -> int:
    device = alarm.device
    if (rule.only_verified and not alarm.is_verified) or not is_owner(rule.organisation, device):
        return 0
    application = f"{PREFIX}{rule.name}"
    sent = Request.objects.filter(
        device_identification=device.identification,
        created_at__gt=add_to_now(-HOUR),
        organisation=rule.organisation,
        application=application,
    ).count()
    if sent >= rule.most_per_hour:
        return 0
    body = {
        **rule.parameters,
        "device_identification": device.identification,
        "priority": rule.priority,
    }
    try:
        with transaction.atomic():
            submit(make_organisation_caller(rule.organisation, application), rule.message, body)
    except Fault as fault:
        return _note_failure(rule, fault)
    except ValidationError:
        text = f"{rule.message} does not take these parameters any more."
        return _note_failure(rule, Fault(FaultCode.VALIDATION_ERROR, text))
    AlarmRule.objects.filter(pk=rule.pk).update(last_sent_at=Now(), last_fault=None)
    return 1


def _note_failure(rule: AlarmRule, fault: Fault) -> int:
    AlarmRule.objects.filter(pk=rule.pk).update(last_fault=fault.as_dict())
    return 0
