"""SetInvocationCounter: only upwards, only for the key that is in use, and always with a reason."""

from typing import Any

import pytest
from django.db.models import QuerySet
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices import invocation_counters, keystore
from osgp.devices.models import Device, KeyType
from osgp.faults import Fault
from osgp.requests.models import Request
from osgp.visits.platform_requests import perform_due
from tests.counters import counter_of
from tests.devices.concurrency import at_once
from tests.factories import grant

URL = "/api/v1/configuration/set-invocation-counter/"
KEY = KeyType.E_METER_ENCRYPTION_KEY_UNICAST


@pytest.fixture
def keyed(device: Device) -> Device:
    keystore.store_new(device, {KEY: bytes(16)})
    keystore.activate(device, [KEY])
    return device


def reserve(device: Device, count: int) -> range | None:
    counter = invocation_counters.find_active(device.pk)
    assert counter is not None
    return invocation_counters.reserve(counter.pk, count)


def post(api: APIClient, device: Device, value: Any, reason: Any = "Meter was replaced.") -> Any:
    body = {"device_identification": device.identification, "invocation_counter": value, "reason": reason}
    return api.post(URL, body, format="json")


def outcome(api: APIClient, device: Device, value: int) -> dict[str, Any]:
    answer = post(api, device, value, " Meter was replaced. ")
    assert answer.status_code == 202, answer.json()
    assert perform_due(10) == 1
    body: dict[str, Any] = api.get(answer.json()["url"]).json()
    return body


def refused(answer: Any) -> tuple[int, int, list[str]]:
    assert not Request.objects.exists()
    body = answer.json()
    return answer.status_code, body["code"], [error["pointer"] for error in body.get("errors", [])]


def counters_set() -> QuerySet[AuditEntry]:
    """Entries of what was done; others tell who asked for it and fetched the outcome."""
    return AuditEntry.objects.filter(event=AuditEvent.INVOCATION_COUNTER_SET)


def test_it_goes_up_and_is_audited(api: APIClient, keyed: Device) -> None:
    for former, value in [(None, 0), (0, 1000), (1000, 1000), (1000, 2**32 - 1)]:
        body = outcome(api, keyed, value)
        assert body["status"] == "SUCCEEDED"
        assert body["result"] == {"former_value": former, "invocation_counter": value}
        assert counter_of(keyed) == value
        entry = counters_set().latest("pk")
        assert entry.details == {
            "former_value": former,
            "invocation_counter": value,
            "reason": "Meter was replaced.",
        }
        assert (entry.organisation_identification, entry.actor) == ("UTILITY", "portal")
        assert entry.device_identification == keyed.identification
        assert str(entry.correlation_uid) == body["correlation_uid"]
    assert counters_set().count() == 4
    # The value that was set is the next one to be used.
    assert reserve(keyed, 1) == range(2**32 - 1, 2**32)


def test_never_downwards(api: APIClient, keyed: Device) -> None:
    invocation_counters.set_by_operator(keyed.pk, 500)
    answer = post(api, keyed, 499)
    assert refused(answer) == (400, 808, ["/invocation_counter"])
    assert "it is 500 already" in answer.json()["detail"]
    with pytest.raises(Fault) as info:
        invocation_counters.set_by_operator(keyed.pk, 499)
    assert (info.value.code, info.value.pointer) == (808, "/invocation_counter")
    assert counter_of(keyed) == 500


def test_not_below_what_was_reserved_meanwhile(api: APIClient, keyed: Device) -> None:
    invocation_counters.set_by_operator(keyed.pk, 500)
    assert post(api, keyed, 510).status_code == 202
    reserve(keyed, 64)
    assert perform_due(10) == 1
    request = Request.objects.get()
    assert request.fault is not None
    assert (request.state, request.fault["code"]) == ("FAILED", 808)
    assert counter_of(keyed) == 564
    assert not counters_set().exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_reserved_at_the_same_time_is_not_handed_out_again(keyed: Device) -> None:
    invocation_counters.set_by_operator(keyed.pk, 0)

    def use(number: int) -> object:
        if number % 2:
            return reserve(keyed, 64)
        return invocation_counters.set_by_operator(keyed.pk, 100)

    blocks = [done for done in at_once(8, use) if isinstance(done, range)]
    values = [value for block in blocks for value in block]
    assert len(values) == len(set(values)) == 4 * 64
    end = counter_of(keyed)
    assert end is not None
    assert end >= max(100, *values)


@pytest.mark.parametrize(
    ("value", "reason", "pointers"),
    [
        (-1, "why", ["/invocation_counter"]),
        (2**32, "why", ["/invocation_counter"]),
        ("5", "why", ["/invocation_counter"]),
        (5, "", ["/reason"]),
        (5, "  ", ["/reason"]),
        (5, "x" * 501, ["/reason"]),
        (None, None, ["/invocation_counter", "/reason"]),
    ],
)
def test_bad_values(api: APIClient, keyed: Device, value: Any, reason: Any, pointers: list[str]) -> None:
    assert refused(post(api, keyed, value, reason)) == (400, 401, pointers)


def test_devices_without_such_a_counter(api: APIClient, device: Device, gas_meter: Device) -> None:
    at_device = ["/device_identification"]
    assert refused(post(api, gas_meter, 5)) == (400, 401, at_device)
    answer = post(api, device, 5)
    assert refused(answer) == (400, 806, [])
    assert "E_METER_ENCRYPTION_KEY_UNICAST" in answer.json()["detail"]
    Device.objects.filter(pk=device.pk).update(security="LLS")
    assert refused(post(api, device, 5)) == (400, 407, at_device)


def test_a_key_that_is_not_in_use_yet_has_no_counter(api: APIClient, device: Device) -> None:
    keystore.store_new(device, {KEY: bytes(16)})
    assert refused(post(api, device, 5)) == (400, 806, [])


def test_owners_only(api: APIClient, keyed: Device, organisation: Organisation) -> None:
    DeviceAuthorisation.objects.all().delete()
    assert refused(post(api, keyed, 5)) == (404, 201, ["/device_identification"])
    grant(organisation, keyed, *(set(DeviceFunctionGroup) - {DeviceFunctionGroup.OWNER}))
    assert refused(post(api, keyed, 5)) == (403, 301, ["/device_identification"])
