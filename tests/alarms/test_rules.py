"""Rules: alarms that send messages."""

from typing import Any

import pytest
from django.db import transaction

from osgp.accounts.models import Organisation
from osgp.alarms import rules, storing
from osgp.alarms.models import AlarmRule
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from osgp.requests.models import Request
from tests.alarms.pushing import RECEIVED_AT
from tests.factories import grant, make_device, make_organisation

pytestmark = pytest.mark.django_db

ALARM = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1"


def add_rule(organisation: Organisation, **fields: object) -> AlarmRule:
    return AlarmRule.objects.create(
        **{"organisation": organisation, "name": "scan", "alarm_type": ALARM, "message": "ScanMbusChannels"}
        | fields
    )


def report(device: Device, *names: str, is_verified: bool = False) -> int:
    with transaction.atomic():
        alarm = NewAlarm(
            device, RECEIVED_AT, "Push alarm monitor", names or (ALARM,), is_verified=is_verified
        )
        return rules.apply(storing.store([alarm]))


def test_a_rule_sends_its_message(organisation: Organisation, device: Device) -> None:
    rule = add_rule(organisation, priority=6)
    assert report(device) == 1
    [request] = Request.objects.all()
    assert (request.organisation, request.device) == (organisation, device)
    assert (request.message, request.application, request.priority) == ("ScanMbusChannels", "rule/scan", 6)
    rule.refresh_from_db()
    assert rule.last_sent_at is not None


def test_other_alarms_send_nothing(organisation: Organisation, device: Device) -> None:
    add_rule(organisation)
    assert report(device, "POWER_UP") == 0


def test_there_is_a_limit_per_device_and_hour(organisation: Organisation, device: Device) -> None:
    add_rule(organisation, most_per_hour=2)
    other = make_device("E0000000000000009", owner=organisation)
    assert [report(device) for _ in range(4)] == [1, 1, 0, 0]
    assert report(other) == 1


def test_alarms_that_send_nothing_cost_no_queries_each(
    organisation: Organisation, device: Device, django_assert_num_queries: Any
) -> None:
    """As in a storm, whose requests the limit has stopped."""
    add_rule(organisation)
    report(device)
    stored = list(device.alarms.select_related("device")) * 50
    with transaction.atomic(), django_assert_num_queries(4):
        assert rules.apply(stored) == 0


def test_the_limit_holds_within_one_slice(organisation: Organisation, device: Device) -> None:
    add_rule(organisation, most_per_hour=2)
    alarms = [NewAlarm(device, RECEIVED_AT, "Push alarm monitor", (ALARM,)) for _ in range(5)]
    with transaction.atomic():
        assert rules.apply(storing.store(alarms)) == 2
    assert Request.objects.count() == 2


def test_owners_are_those_of_the_device(device: Device, organisation: Organisation) -> None:
    other = make_organisation("OTHER")
    add_rule(organisation)
    add_rule(other)
    assert report(device) == 1
    grant(other, device, "OWNER")
    assert report(device) == 1, "the other one's; the first owner's limit is reached"


@pytest.mark.parametrize("changes", [{"enabled": False}, {"only_verified": True}], ids=str)
def test_rules_that_do_not_apply(
    organisation: Organisation, device: Device, changes: dict[str, object]
) -> None:
    add_rule(organisation, **changes)
    assert report(device) == 0
    assert report(device, is_verified=True) == (1 if "only_verified" in changes else 0)


def test_only_owners_rules_apply(device: Device) -> None:
    other = make_organisation("OTHER")
    grant(other, device, "AD_HOC")
    add_rule(other)
    assert report(device) == 0


def test_rules_of_a_disabled_organisation_do_not_apply(organisation: Organisation, device: Device) -> None:
    add_rule(organisation)
    Organisation.objects.filter(pk=organisation.pk).update(enabled=False)
    assert report(device) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"message": "Nonsense"}, 401),
        ({"parameters": {"colour": "red"}}, 401),
        ({"message": "GetFirmwareVersionGas"}, None),
    ],
    ids=str,
)
def test_what_a_rule_cannot_send_is_noted(
    organisation: Organisation, device: Device, changes: dict[str, object], code: int | None
) -> None:
    rule = add_rule(organisation, **changes)
    assert report(device) == 0
    rule.refresh_from_db()
    assert rule.last_fault is not None
    assert code in (None, rule.last_fault["code"])
    assert device.alarms.count() == 1
