"""Lists of requests, cancelling, and the public key."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices import transport_keys
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.serializers import utc_text
from osgp.requests.models import Request, RequestState
from tests.factories import grant, make_device, make_request, make_token

URL = "/api/v1/requests/"


def uids(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [row["correlation_uid"] for row in answer.json()["results"]]


def test_a_row_tells_all_but_the_result(api: APIClient, organisation: Organisation, device: Device) -> None:
    fault = Fault(FaultCode.CONNECTION_RESET, "Reset.").as_dict()
    request = make_request(organisation, device, state=RequestState.FAILED, fault=fault, attempts=3)
    (row,) = api.get(URL).json()["results"]
    assert row == {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": device.identification,
        "message": "SynchronizeTime",
        "status": "FAILED",
        "priority": 4,
        "schedule_time": None,
        "attempts": 3,
        "created_at": utc_text(request.created_at),
        "completed_at": None,
        "fault": fault,
        "url": f"/api/v1/adhoc/synchronize-time/{request.correlation_uid}/",
    }


def test_messages_of_another_version_have_no_url(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    make_request(organisation, device, "NoLongerKnown")
    assert api.get(URL).json()["results"][0]["url"] is None


def test_an_organisation_lists_its_own_requests_only(
    api: APIClient, organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    grant(other_organisation, device)
    own = make_request(organisation, device)
    make_request(other_organisation, device)
    assert uids(api.get(URL)) == [str(own.correlation_uid)]


def test_filters(api: APIClient, organisation: Organisation, device: Device) -> None:
    now = timezone.now()
    other = make_device("OTHER", owner=organisation)
    old = make_request(organisation, device, created_at=now - timedelta(days=2))
    reads = make_request(organisation, other, "ActualMeterReads", created_at=now)
    done = make_request(organisation, device, state=RequestState.SUCCEEDED, created_at=now)

    def listed(**query: Any) -> set[str]:
        return set(uids(api.get(URL, query)))

    assert listed() == {str(request.correlation_uid) for request in (old, reads, done)}
    assert listed(device="OTHER") == {str(reads.correlation_uid)}
    assert listed(device="UNKNOWN") == set()
    assert listed(message="ActualMeterReads") == {str(reads.correlation_uid)}
    assert listed(status="SUCCEEDED") == {str(done.correlation_uid)}
    yesterday = utc_text(now - timedelta(days=1))
    assert listed(created_before=yesterday) == {str(old.correlation_uid)}
    assert listed(created_after=yesterday, device=device.identification) == {str(done.correlation_uid)}
    assert listed(created_after=utc_text(now)) == {str(reads.correlation_uid), str(done.correlation_uid)}
    assert listed(created_before=utc_text(now)) == {str(old.correlation_uid)}


def test_pages_hold_every_request_once_while_new_ones_arrive(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    moment = timezone.now() - timedelta(hours=1)
    expected = [
        str(
            make_request(
                organisation, device, created_at=moment + timedelta(seconds=number // 3)
            ).correlation_uid
        )
        for number in range(10)
    ]
    url, found, pages = f"{URL}?page_size=3&device={device.identification}", [], 0
    while url:
        answer = api.get(url)
        found += uids(answer)
        pages += 1
        make_request(organisation, device)
        link = answer.headers.get("Link", "")
        assert not link or link.endswith('>; rel="next"')
        url = link.partition(">")[0].lstrip("<")
        assert not url or url.startswith("/api/v1/requests/?")
    assert found == expected[::-1]
    assert pages == 4


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page_size=0", "/page_size"),
        ("page_size=1001", "/page_size"),
        ("page_size=-1", "/page_size"),
        ("page_size=%D9%A1", "/page_size"),
        ("status=DONE", "/status"),
        ("device=A%00", "/device"),
        ("message=%00", "/message"),
        ("message=ActualMeterRead", "/message"),
        ("message=", "/message"),
        ("created_after=2026-01-01", "/created_after"),
        ("created_before=now", "/created_before"),
        ("colour=red", "/colour"),
        ("device=A&device=B", "/device"),
        ("cursor=", "/cursor"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=%FF", "/cursor"),
        *[
            (f"cursor={base64.urlsafe_b64encode(text.encode()).decode()}", "/cursor")
            for text in (
                "",
                "2026-01-01T00:00:00+00:00",
                "2026-01-01T00:00:00 1",
                "x 1",
                f"2026-01-01T00:00:00+00:00 {2**63}",
                "2026-01-01T00:00:00+00:00 -1",
                "2026-01-01T00:00:00+00:00 1'",
                "2026-01-01T00:00:00+00:00 1\0",
                "0001-01-01T00:00:00+23:59 1",
                "9999-12-31T23:59:59-23:59 1",
                "2026-01-01T00:00:00+00:00:30.500000 1",
                "0001-01-01T00:00:00+00:00 1",
            )
        ],
    ],
)
def test_faulty_queries_are_refused(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_listing_needs_the_scope_read(
    organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    assert client_of(make_token(organisation, scopes=["adhoc"])).get(URL).json()["code"] == 301


def test_a_list_costs_two_statements(
    api: APIClient, organisation: Organisation, device: Device, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_request(organisation, device)
    api.get(URL)
    with django_assert_max_num_queries(2):
        assert len(uids(api.get(URL))) == 20


# --- Cancel --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", RequestState)
def test_only_what_waits_is_cancelled(
    api: APIClient, organisation: Organisation, device: Device, state: RequestState
) -> None:
    request = make_request(organisation, device, state=state)
    answer = api.post(f"{URL}{request.correlation_uid}/cancel/")
    request.refresh_from_db()
    if state in (RequestState.SCHEDULED, RequestState.QUEUED, RequestState.RETRYING):
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        assert request.state == RequestState.CANCELLED
        final = api.get(answer.json()["url"])
        assert (final.status_code, final.json()["result"], final.json()["fault"]) == (200, None, None)
        again = api.post(f"{URL}{request.correlation_uid}/cancel/")
        assert (again.status_code, again.json()) == (200, answer.json())
    elif state == RequestState.CANCELLED:
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    else:
        assert answer.status_code == 409
        assert request.state == state


def test_requests_of_others_cannot_be_cancelled(
    api: APIClient, other_organisation: Organisation, device: Device
) -> None:
    request = make_request(other_organisation, device)
    for uid in (request.correlation_uid, "nonsense", "%00"):
        answer = api.post(f"{URL}{uid}/cancel/")
        assert (answer.status_code, answer.json()["code"]) == (404, 405)
    assert Request.objects.get().state == RequestState.QUEUED


def test_cancelling_needs_the_scope_that_sends(
    organisation: Organisation, device: Device, client_of: Callable[[str], APIClient]
) -> None:
    url = f"{URL}{make_request(organisation, device).correlation_uid}/cancel/"
    assert client_of(make_token(organisation, scopes=["read", "monitoring"])).post(url).status_code == 403
    assert client_of(make_token(organisation, scopes=["adhoc"])).post(url).status_code == 200


# --- Public key ----------------------------------------------------------------------------------------


def test_what_is_encrypted_with_the_public_key_can_be_read(api: APIClient) -> None:
    answer = api.get("/api/v1/configuration/public-key/")
    assert answer.status_code == 200
    assert answer.json()["algorithm"] == "RSA-OAEP"
    secret = bytes(range(16))
    encrypted = transport_keys.encrypt_for_platform(answer.json()["public_key"], secret)
    assert transport_keys.decrypt(encrypted) == secret


def test_the_public_key_is_for_callers() -> None:
    assert APIClient().get("/api/v1/configuration/public-key/").status_code == 401
