"""What operators do with requests: cancel, send again, send new ones."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework import serializers

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.registry import find_operation, list_operations
from osgp.messages.relative_periods import RelativePeriodField
from osgp.messages.serializers import BooleanField, DateTimeField, StrictSerializer
from osgp.pages.requests.steering import cancel_all
from osgp.pages.shared.form_fields import JsonField, MomentField, TruthField, make_example, make_form_field
from osgp.pages.shared.message_forms import SendForm
from osgp.requests.models import Action, Request, RequestState
from tests.admin.conftest import make_user, signed_in
from tests.factories import make_device, make_request

LIST = "admin:requests_request_changelist"


def act(client: Client, action: str, *requests: Request, confirmed: bool = True) -> Any:
    body: dict[str, Any] = {"action": action, "_selected_action": [item.pk for item in requests]}
    return client.post(reverse(LIST), {**body, "confirmed": "yes"} if confirmed else body)


def told(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def test_cancelling_is_asked_about_first(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    waiting = make_request(organisation, device)
    answer = act(operator, "cancel_selected", waiting, confirmed=False)
    assert answer.status_code == 200
    assert device.identification in answer.content.decode()
    waiting.refresh_from_db()
    assert waiting.state == RequestState.QUEUED


def test_what_is_asked_on_the_page_of_a_request_leads_back_to_it(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    item = make_request(organisation, device)
    page = reverse("admin:requests_request_change", args=[item.pk])
    body: dict[str, Any] = {"_selected_action": [item.pk], "back": item.pk}
    for action in ("cancel_selected", "send_again_selected"):
        asked = operator.post(reverse(LIST), {**body, "action": action}).content.decode()
        assert f'href="{page}">Back<' in asked
        assert f'name="back" value="{item.pk}"' in asked
        odd = operator.post(reverse(LIST), {**body, "action": action, "back": "https://example.org/"})
        assert "example.org" not in odd.content.decode()
    answer = operator.post(reverse(LIST), {**body, "action": "cancel_selected", "confirmed": "yes"})
    assert answer.headers["Location"] == page
    item.refresh_from_db()
    assert item.state == RequestState.CANCELLED


@pytest.mark.parametrize("number", [3, 21])
def test_all_on_the_list_may_be_chosen(
    operator: Client, organisation: Organisation, device: Device, number: int
) -> None:
    """Those that the confirmation names are meant, and nothing that joins the list meanwhile."""
    waiting = {make_request(organisation, device) for _ in range(number)}
    body = {"action": "cancel_selected", "select_across": "1", "_selected_action": [min(waiting, key=id).pk]}
    asked = operator.post(reverse(LIST), body).context
    assert asked["count"] == number
    late = make_request(organisation, device)
    answer = {
        "action": "cancel_selected",
        "select_across": str(int(asked["select_across"])),
        "_selected_action": asked["selected"],
        "confirmed": "yes",
    }
    operator.post(reverse(LIST), answer)
    cancelled = set(Request.objects.filter(state=RequestState.CANCELLED))
    assert cancelled == (waiting if number == 3 else {*waiting, late})


def test_cancelling_tells_how_many_could_not_be(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    cancellable = [
        make_request(organisation, device, state=state)
        for state in (RequestState.QUEUED, RequestState.SCHEDULED, RequestState.RETRYING)
    ]
    others = [
        make_request(organisation, device, state=state)
        for state in (RequestState.RUNNING, RequestState.SUCCEEDED)
    ]
    answer = act(operator, "cancel_selected", *cancellable, *others)
    assert "3 requests cancelled" in told(answer)
    assert "2 requests could not be cancelled" in told(answer)
    assert set(Request.objects.filter(state=RequestState.CANCELLED)) == set(cancellable)
    logged = LogEntry.objects.filter(change_message="Cancelled.", user__username="joost")
    assert {entry.object_id for entry in logged} == {str(item.pk) for item in cancellable}


def test_cancelling_many_costs_as_few_statements_as_one(organisation: Organisation, device: Device) -> None:
    costs = []
    for number in (1, 50):
        chosen = [make_request(organisation, device).pk for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            assert sorted(cancel_all(chosen)) == chosen
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_nobody_cancels_what_they_may_not(
    stranger: Client, onlooker: Client, organisation: Organisation, device: Device
) -> None:
    waiting = make_request(organisation, device)
    for client in (stranger, onlooker):
        act(client, "cancel_selected", waiting)
        act(client, "send_again_selected", waiting)
    waiting.refresh_from_db()
    assert waiting.state == RequestState.QUEUED
    assert Request.objects.count() == 1


def test_sending_again_makes_a_new_request(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    failed = make_request(
        organisation,
        device,
        state=RequestState.FAILED,
        parameters={"timezone": "Europe/Paris"},
        priority=7,
        attempts=3,
    )
    answer = act(operator, "send_again_selected", failed)
    renewed = Request.objects.exclude(pk=failed.pk).get()
    assert answer["Location"] == reverse("admin:requests_request_change", args=[renewed.pk])
    assert (renewed.state, renewed.priority, renewed.attempts) == (RequestState.QUEUED, 7, 0)
    assert (renewed.organisation, renewed.application) == (organisation, "admin/joost")
    assert renewed.correlation_uid != failed.correlation_uid
    assert renewed.actions.get().parameters == {"timezone": "Europe/Paris"}


def test_sending_a_bundle_again_keeps_its_actions(
    operator: Client, organisation: Organisation, device: Device, gas_meter: Device
) -> None:
    bundle = make_request(organisation, device, "Bundle", state=RequestState.SUCCEEDED)
    Action.objects.filter(request=bundle).update(message="SynchronizeTime", device=device)
    Action.objects.create(request=bundle, position=1, device=gas_meter, message="ActualMeterReadsGas")
    act(operator, "send_again_selected", bundle)
    renewed = Request.objects.exclude(pk=bundle.pk).get()
    assert renewed.message == "Bundle"
    assert renewed.meter == device
    assert list(renewed.actions.values_list("position", "message", "device")) == [
        (0, "SynchronizeTime", device.pk),
        (1, "ActualMeterReadsGas", gas_meter.pk),
    ]


def test_what_cannot_be_sent_again_is_told(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    invalid = make_request(organisation, device, parameters={"timezone": "Nowhere"})
    unreachable = make_request(organisation, make_device("E9", owner=organisation, network_address=""))
    answer = act(operator, "send_again_selected", invalid, unreachable)
    assert "not valid any more" in told(answer)
    assert "fault 212" in told(answer)
    assert Request.objects.count() == 2


# --- New requests ----------------------------------------------------------------------------------------


def new_url(device: Device | None, message: str) -> str:
    return reverse("admin:requests_request_add") + f"?device={device.pk if device else ''}&message={message}"


def test_a_request_is_sent_for_the_owner_of_the_device(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    url = new_url(device, "SynchronizeTime")
    form = superuser.get(url).context["form"]
    assert list(form.fields["on_behalf_of"].queryset) == [organisation]
    answer = superuser.post(
        url,
        {
            "on_behalf_of": organisation.pk,
            "timezone": "Europe/Paris",
            "priority": "8",
            "max_schedule_time": "2098-01-31T14:00:00",
            "bypass_retry": "true",
        },
    )
    sent = Request.objects.get()
    assert answer["Location"] == reverse("admin:requests_request_change", args=[sent.pk])
    assert (sent.organisation, sent.application) == (organisation, "admin/marijke")
    assert (sent.message, sent.device, sent.priority) == ("SynchronizeTime", device, 8)
    assert sent.max_schedule_time is not None
    assert sent.max_schedule_time.isoformat() == "2098-01-31T14:00:00+00:00"
    assert sent.bypass_retry
    assert sent.actions.get().parameters == {"timezone": "Europe/Paris"}


def test_what_is_refused_is_told_at_its_field(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    answer = superuser.post(
        new_url(device, "GetSpecificConfigurationObject"),
        {
            "on_behalf_of": organisation.pk,
            "class_id": "70000",
            "obis_code": "1-2-3",
            "attribute": "two",
            "priority": "11",
        },
    )
    errors = answer.context["form"].errors
    assert set(errors) == {"attribute"}, "what is not even a number is told by the form"
    answer = superuser.post(
        new_url(device, "GetSpecificConfigurationObject"),
        {"on_behalf_of": organisation.pk, "class_id": "70000", "obis_code": "1-2-3", "priority": "11"},
    )
    assert set(answer.context["form"].errors) == {"class_id", "obis_code", "attribute", "priority"}
    assert answer.context["form"].scheduling_is_open
    assert not Request.objects.exists()


def test_a_fault_is_told_on_the_page(superuser: Client, organisation: Organisation) -> None:
    device = make_device(owner=organisation, network_address="")
    answer = superuser.post(new_url(device, "SynchronizeTime"), {"on_behalf_of": organisation.pk})
    assert "fault 212" in str(answer.context["form"].non_field_errors())
    assert not Request.objects.exists()


def test_nobody_sends_for_another_organisation_or_to_its_devices(
    stranger: Client, operator: Client, other_organisation: Organisation, device: Device
) -> None:
    refused = operator.post(new_url(device, "SynchronizeTime"), {"on_behalf_of": other_organisation.pk})
    assert "on_behalf_of" in refused.context["form"].errors
    unseen = stranger.post(new_url(device, "SynchronizeTime"), {"on_behalf_of": other_organisation.pk})
    assert "device" in unseen.context["choose"].errors
    assert device.identification not in unseen.content.decode()
    assert not Request.objects.exists()


def test_sending_needs_its_permission(organisation: Organisation, device: Device) -> None:
    client = signed_in(make_user("piet", organisation, "view_request", "change_request", "view_device"))
    assert client.get(new_url(device, "SynchronizeTime")).status_code == 403
    assert (
        client.post(new_url(device, "SynchronizeTime"), {"on_behalf_of": organisation.pk}).status_code == 403
    )
    assert not Request.objects.exists()


def test_a_gas_meter_is_offered_messages_for_gas_meters(superuser: Client, gas_meter: Device) -> None:
    answer = superuser.get(reverse("admin:requests_request_add"), {"device": gas_meter.pk})
    choices = str(answer.context["choose"].fields["message"].choices)
    assert "ActualMeterReadsGas" in choices
    assert "SynchronizeTime" not in choices


@pytest.mark.parametrize("message", [item.message for item in list_operations()])
def test_every_message_has_a_form(superuser: Client, message: str, device: Device, gas_meter: Device) -> None:
    # What has most objects can do most.
    Device.objects.update(protocol_version="5.5")
    suits = gas_meter if device.device_type not in find_operation(message).device_types else device
    answer = superuser.get(new_url(suits, message))
    assert answer.status_code == 200
    form = answer.context["form"]
    assert isinstance(form, SendForm)
    assert set(form.parameter_names) == set(find_operation(message).parameters_serializer().fields)
    for name in find_operation(message).secret_fields:
        assert form.fields[name].widget.input_type == "password"


@pytest.mark.parametrize("query", ["?device=x&message=y", "?device=99999999999999999999", "?message=Unknown"])
def test_odd_choices_are_answered(superuser: Client, query: str) -> None:
    url = reverse("admin:requests_request_add") + query
    assert superuser.get(url).status_code == 200
    assert superuser.post(url, {}).status_code == 200


class Inner(StrictSerializer):
    date = serializers.CharField()
    enabled = BooleanField()


def test_fields_become_json_of_their_type() -> None:
    nested = Inner(many=True)
    assert make_example(nested) == [{"date": "…", "enabled": True}]
    field = make_form_field(nested)
    assert isinstance(field, JsonField)
    assert field.clean('[{"date": "2026-01-01"}]') == [{"date": "2026-01-01"}]
    truth, moment = make_form_field(BooleanField()), make_form_field(DateTimeField())
    assert isinstance(truth, TruthField)
    assert [truth.clean(text) for text in ("true", "false", "")] == [True, False, None]
    assert isinstance(moment, MomentField)
    assert moment.clean("2026-01-31T14:00") == "2026-01-31T14:00:00Z"
    assert make_form_field(serializers.IntegerField()).clean("12") == 12
    chosen = make_form_field(serializers.ListField(child=serializers.ChoiceField(["A", "B"])))
    assert chosen.clean(["A"]) == ["A"]


@pytest.mark.parametrize(
    ("text", "json"),
    [
        ("previous_day ", "PREVIOUS_DAY"),
        ("96 intervals", {"last": 96, "unit": "INTERVAL"}),
        ('{"last": 2, "unit": "DAY"}', {"last": 2, "unit": "DAY"}),
        ("last week", "LAST WEEK"),
        ("", ""),
    ],
)
def test_relative_periods_are_written_as_people_do(text: str, json: object) -> None:
    field = make_form_field(RelativePeriodField())
    assert field.clean(text) == json
    assert "PREVIOUS_MONTH" in str(field.help_text)


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000, '{"a": Infinity}'])
def test_what_is_not_json_is_refused(text: str) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="not JSON"):
        JsonField().clean(text)
