"""Rules for alarms in the admin: the same checks as by the API, within one organisation."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.alarms.models import AlarmRule
from tests.admin.alarm_pages import HOSTILE, RULES, listed, page_of, user_of

pytestmark = pytest.mark.django_db


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
