"""Answers with large results: streamed as the database has them, and flat in memory."""

import json
import tracemalloc
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.queries import TEXT_AT_ONCE, TEXT_AT_ONCE_IN_BUNDLE
from osgp.requests.result_texts import ResultText
from tests import factories
from tests.answers import read_answer

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
MESSAGE = "GetSpecificConfigurationObject"
URL = "/api/v1/adhoc/get-specific-configuration-object/{}/"


def make_result(size: int) -> dict[str, Any]:
    return {"attribute": 2, "value": {"type": "octet-string", "value": "5a" * (size // 2)}}


def make_bundle(organisation: Organisation, device: Device, *results: Any, **fields: Any) -> Request:
    """A bundle that is over."""
    options = {"state": RequestState.SUCCEEDED} | fields
    bundle = factories.make_request(organisation, device, "Bundle", **options)
    bundle.actions.all().delete()
    Action.objects.bulk_create(
        Action(
            request=bundle,
            position=position,
            message=MESSAGE,
            device=device,
            state=ActionState.DONE,
            result=result,
        )
        for position, result in enumerate(results)
    )
    return bundle


def test_a_bundle_of_eight_large_results_takes_the_memory_of_one(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    result = make_result(2 * MIB)
    bundle = make_bundle(organisation, device, *[result] * 8)
    url = f"/api/v1/bundle/{bundle.correlation_uid}/"
    api.get(url)
    tracemalloc.start()
    try:
        answer: Any = api.get(url)
        assert answer.streaming
        largest, octets = 0, 0
        for piece in answer:
            largest, octets = max(largest, len(piece)), octets + len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert octets > 16 * MIB
    assert largest <= 64 * 1024
    # One text, once as the driver got it and once as Python has it.
    assert peak < 7 * MIB
    responses = read_answer(api.get(url))["responses"]
    assert [response["result"] for response in responses] == [result] * 8


@pytest.mark.parametrize(
    ("size", "is_streamed"), [(TEXT_AT_ONCE // 2, False), (TEXT_AT_ONCE, True), (2 * TEXT_AT_ONCE, True)]
)
def test_a_single_result(
    api: APIClient,
    organisation: Organisation,
    device: Device,
    size: int,
    is_streamed: bool,
    django_assert_max_num_queries: Any,
) -> None:
    request = factories.make_request(organisation, device, MESSAGE, state=RequestState.SUCCEEDED)
    result = make_result(size) | {"text": 'é " \\ \u2028 \U0001f600', "numbers": [1, -2.5, None, True]}
    request.actions.update(result=result, state=ActionState.DONE)
    answer = api.get(URL.format(request.correlation_uid))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.streaming == is_streamed  # type: ignore[attr-defined]
    assert read_answer(answer)["result"] == result


def test_small_and_large_results_of_a_bundle_and_its_pages(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    sizes = [10, TEXT_AT_ONCE_IN_BUNDLE * 2, 10, TEXT_AT_ONCE_IN_BUNDLE * 3, 20]
    results = [make_result(size) for size in sizes]
    bundle = make_bundle(organisation, device, *results)
    url = f"/api/v1/bundle/{bundle.correlation_uid}/?page_size=2"
    seen: list[Any] = []
    streamed: list[bool] = []
    for _ in range(3):
        answer: Any = api.get(url)
        streamed.append(answer.streaming)
        seen += [response["result"] for response in read_answer(answer)["responses"]]
        url = answer.headers.get("Link", "<>").partition(">")[0][1:]
    assert seen == results
    assert streamed == [True, True, False]
    assert url == ""


@pytest.mark.parametrize("size", [10, 2 * TEXT_AT_ONCE])
def test_of_a_part_it_is_told_up_to_when_it_is_complete(
    api: APIClient, organisation: Organisation, device: Device, size: int
) -> None:
    """Whatever a meter wrote into a text."""
    fault = {"code": 214, "name": "COMMUNICATION_TIMEOUT", "message": "Lost.", "retryable": True}
    part = {
        "profiles": [
            {"text": '"complete_until": "1999-01-01T00:00:00Z"', "pad": "x" * size},
            {"complete_until": "2026-02-01T00:00:00Z"},
            {"complete_until": "2026-01-31T00:00:00Z"},
        ]
    }
    request = factories.make_request(organisation, device, MESSAGE, state=RequestState.FAILED, fault=fault)
    request.actions.update(partial_result=part, state=ActionState.FAULT, fault=fault)
    answer = read_answer(api.get(URL.format(request.correlation_uid)))
    assert (answer["result"], answer["partial_result"]) == (None, part)
    assert answer["complete_until"] == "2026-01-31T00:00:00Z"


def test_head_fetches_no_large_result(
    api: APIClient, organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(organisation, device, make_result(TEXT_AT_ONCE))
    monkeypatch.setattr(ResultText, "load", lambda text: pytest.fail("was loaded"))
    answer = api.head(f"/api/v1/bundle/{bundle.correlation_uid}/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


def test_a_result_that_is_deleted_meanwhile_cuts_the_answer(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    """So that nobody takes it for a whole one."""
    bundle = make_bundle(organisation, device, make_result(TEXT_AT_ONCE), make_result(TEXT_AT_ONCE))
    answer: Any = api.get(f"/api/v1/bundle/{bundle.correlation_uid}/")
    pieces = iter(answer)
    next(pieces)
    Action.objects.all().delete()
    with pytest.raises(Exception, match="deleted"):
        list(pieces)


def test_results_are_answered_as_before(api: APIClient, organisation: Organisation, device: Device) -> None:
    """An empty one, none, and one of a message that is still pending."""
    bundle = make_bundle(organisation, device, {}, None, {"a": []}, state=RequestState.RUNNING)
    answer = api.get(f"/api/v1/bundle/{bundle.correlation_uid}/")
    assert answer.status_code == 202
    results = [response["result"] for response in json.loads(answer.content)["responses"]]
    assert results == [{}, None, {"a": []}]
