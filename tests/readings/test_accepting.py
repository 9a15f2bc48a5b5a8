"""Gaps that persons accept, those that meters have answered without, and the filter by reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.completeness.models import AcceptedGap, AnsweredGap
from osgp.devices.models import Device
from osgp.readings import clock, retention
from osgp.requests.models import Action, ActionState, Request, RequestState
from tests import factories
from tests.batches.conftest import create_all
from tests.readings.columns import column, deliver, interval_ends, utc
from tests.readings.test_missing import BODY, DAY, FAULT, FETCH, RANGE, URL, asked, gaps, results
from tests.state_check import states_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("next_morning")]

ACCEPT = f"{URL}accept/"
COMMENT = {"comment": "The meter was in the workshop."}


def post(api: APIClient, **more: Any) -> dict[str, Any]:
    answer = api.post(ACCEPT, BODY | more, format="json")
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def holes(device: Device) -> Device:
    """A meter with values but for two holes of ten intervals."""
    ends = interval_ends(DAY)
    deliver(device, column(ends[:10] + ends[20:50] + ends[60:], [1] * 76))
    return device


class TestAttempts:
    """What a request really asked for."""

    def test_a_visit_that_ran_out_of_time_did_not_ask_for_the_rest(
        self, api: APIClient, organisation: Organisation, holes: Device
    ) -> None:
        request = asked(organisation, holes, ActionState.DONE)
        times = {"begin_date": "2026-10-13T22:00:00Z", "end_date": "2026-10-14T22:00:00Z"}
        result = times | {"complete_until": "2026-10-14T11:45:00Z"}
        for parameters in (times, {"relative_period": "PREVIOUS_DAY"}):
            Action.objects.filter(request=request).update(
                parameters={"period_type": "INTERVAL"} | parameters, result=result
            )
            assert [(gap["reason"], gap["count"], gap["last_interval_end"]) for gap in gaps(api)] == [
                ("NOT_DELIVERED", 10, "2026-10-14T03:00:00Z"),
                ("NOT_DELIVERED", 5, "2026-10-14T11:45:00Z"),
                ("NEVER_ASKED", 5, "2026-10-14T13:00:00Z"),
            ]

    def test_an_answer_soon_after_an_interval_tells_nothing_of_it(
        self, api: APIClient, organisation: Organisation, holes: Device
    ) -> None:
        request = asked(organisation, holes, ActionState.DONE)
        Action.objects.filter(request=request).update(finished_at=utc(2026, 10, 14, 13, 30))
        assert [(gap["reason"], gap["count"]) for gap in gaps(api)] == [
            ("NOT_DELIVERED", 10),
            ("NOT_DELIVERED", 8),
            ("NEVER_ASKED", 2),
        ]
        Action.objects.filter(request=request).update(finished_at=utc(2026, 10, 14, 3, 0))
        assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED", "NEVER_ASKED", "NEVER_ASKED"]

    def test_one_that_found_nothing_missing_asked_for_nothing(
        self, api: APIClient, organisation: Organisation, holes: Device
    ) -> None:
        request = asked(organisation, holes, ActionState.DONE)
        times = {"begin_date": "2026-10-13T22:00:00Z", "end_date": "2026-10-14T22:00:00Z"}
        result = times | {"complete_until": times["end_date"], "nothing_missing": True}
        Action.objects.filter(request=request).update(result=result)
        assert {gap["reason"] for gap in gaps(api)} == {"NEVER_ASKED"}

    def test_one_for_what_is_missing_does_not_ask_again_for_what_was_answered(
        self, api: APIClient, organisation: Organisation, holes: Device
    ) -> None:
        """Pending or failed: it would leave out what the meter does not have."""
        asked(organisation, holes, ActionState.DONE, end="2026-10-14T05:00:00Z")
        parameters = {"period_type": "INTERVAL", "relative_period": "SINCE_LAST_READING"}
        request = asked(organisation, holes, ActionState.PENDING, RequestState.QUEUED)
        Action.objects.filter(request=request).update(parameters=parameters)
        Request.objects.filter(pk=request.pk).update(due_at=clock.now())
        assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED", "BEING_FETCHED"]
        with states_by_hand():
            Request.objects.filter(pk=request.pk).update(state=RequestState.FAILED)
        Action.objects.filter(request=request).update(state=ActionState.FAULT, fault=FAULT)
        assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED", "REQUEST_FAILED"]
        again = asked(organisation, holes, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
        assert gaps(api)[0]["correlation_uid"] == str(again.correlation_uid)


def test_what_a_meter_answered_without_is_not_fetched_again(
    api: APIClient, organisation: Organisation, holes: Device
) -> None:
    """Not even when the request is forgotten, after a week."""
    request = asked(organisation, holes, ActionState.DONE, end="2026-10-14T05:00:00Z")
    fetched = api.post(FETCH, BODY, format="json").json()
    assert (fetched["devices"], fetched["pending"], fetched["settled"]) == (1, 0, 1)
    create_all()
    request.delete()
    assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED", "BEING_FETCHED"]
    assert gaps(api)[0]["correlation_uid"] == str(request.correlation_uid)
    again = api.post(FETCH, BODY, format="json").json()
    assert (again["devices"], again["pending"], again["settled"]) == (0, 1, 1)
    assert AnsweredGap.objects.count() == 1


def test_accepted_gaps_stay_in_the_list_and_are_not_fetched(api: APIClient, holes: Device) -> None:
    assert post(api, **COMMENT) == {"devices": 1, "gaps": 2, "pending": 0, "cursor": None}
    assert post(api, comment="Again") == {"devices": 0, "gaps": 0, "pending": 0, "cursor": None}
    found = gaps(api)
    assert [(gap["reason"], gap["count"]) for gap in found] == [("ACCEPTED", 10)] * 2
    assert found[0]["acceptance"] == {
        "comment": "The meter was in the workshop.",
        "organisation": "UTILITY",
        "accepted_by": "portal",
        "accepted_at": "2026-10-15T07:00:00Z",
    }
    fetched = api.post(FETCH, BODY, format="json").json()
    assert (fetched["requests"], fetched["settled"]) == (0, 2)
    assert results(api, f"{RANGE}&reason=NEVER_ASKED&reason=NOT_DELIVERED") == []


def test_ranges_are_split_where_acceptance_ends(api: APIClient, holes: Device) -> None:
    AcceptedGap.objects.create(
        device=holes,
        period="INTERVAL",
        first_interval_end=utc(2026, 10, 13, 22),
        last_interval_end=utc(2026, 10, 14, 1, 7),
        organisation=holes.authorisations.get().organisation,
        accepted_by="admin/operator",
        accepted_at=clock.now(),
        comment="x",
    )
    assert [(gap["reason"], gap["count"], gap["last_interval_end"]) for gap in gaps(api)] == [
        ("ACCEPTED", 2, "2026-10-14T01:00:00Z"),
        ("NEVER_ASKED", 8, "2026-10-14T03:00:00Z"),
        ("NEVER_ASKED", 10, "2026-10-14T13:00:00Z"),
    ]


def test_acceptance_is_taken_back_as_a_whole(api: APIClient, device: Device) -> None:
    days = {"from": "2026-10-12", "until": "2026-10-15"}
    assert post(api, **days, **COMMENT)["gaps"] == 1
    assert post(api, accepted=False) == {"devices": 1, "gaps": 1, "pending": 0, "cursor": None}
    assert not AcceptedGap.objects.exists()
    assert post(api, accepted=False)["gaps"] == 0


def test_what_is_being_fetched_is_not_accepted(
    api: APIClient, organisation: Organisation, holes: Device
) -> None:
    asked(organisation, holes, ActionState.PENDING, RequestState.QUEUED, end="2026-10-14T05:00:00Z")
    assert post(api, **COMMENT) == {"devices": 1, "gaps": 1, "pending": 1, "cursor": None}
    assert [gap["reason"] for gap in gaps(api)] == ["BEING_FETCHED", "ACCEPTED"]


def test_only_gaps_with_a_reason(api: APIClient, organisation: Organisation, holes: Device) -> None:
    asked(organisation, holes, ActionState.DONE, end="2026-10-14T05:00:00Z")
    assert post(api, **COMMENT, reason=["NOT_DELIVERED", "POWER_FAILURE"])["gaps"] == 1
    assert [gap["reason"] for gap in gaps(api)] == ["ACCEPTED", "NEVER_ASKED"]
    assert [gap["count"] for gap in gaps(api, f"{RANGE}&reason=ACCEPTED")] == [10]
    fetched = api.post(FETCH, BODY | {"reason": ["ACCEPTED"]}, format="json").json()
    assert (fetched["requests"], fetched["settled"]) == (0, 1)
    assert api.post(FETCH, BODY | {"reason": ["NEVER_ASKED"]}, format="json").json()["requests"] == 1


def test_pages_of_a_reason_lead_to_all_of_it(api: APIClient, organisation: Organisation) -> None:
    """Most devices lack values for another reason: pages are short, and the next one is told."""
    for number in range(60):
        made = factories.make_device(f"E{number:03}", owner=organisation)
        if number % 20:
            asked(organisation, made, ActionState.DONE)
    url, seen, short = f"{URL}?{RANGE}&page_size=2&reason=NEVER_ASKED", [], 0
    while url:
        answer = api.get(url)
        rows = answer.json()["results"]
        seen += [row["device_identification"] for row in rows]
        url = answer.headers["Link"].partition("<")[2].partition(">")[0] if "Link" in answer.headers else ""
        short += bool(url) and len(rows) < 2
    assert seen == ["E000", "E020", "E040"]
    assert short


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/comment"),
        ({"comment": ""}, "/comment"),
        ({"comment": "  "}, "/comment"),
        ({"comment": "x" * 201}, "/comment"),
        ({"comment": 1}, "/comment"),
        ({"comment": "x", "accepted": "no"}, "/accepted"),
        ({"comment": "x", "accepted": False}, "/comment"),
        ({"comment": "x", "reason": ["LOST"]}, "/reason/0"),
        ({"comment": "x", "reason": "ACCEPTED"}, "/reason"),
        ({"comment": "x", "device": ["E9"]}, "/device/0"),
        ({"comment": "x", "colour": "red"}, "/colour"),
    ],
)
def test_errors_name_the_field(api: APIClient, device: Device, body: dict[str, Any], pointer: str) -> None:
    answer = api.post(ACCEPT, BODY | body, format="json")
    assert answer.status_code in (400, 404)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not AcceptedGap.objects.exists()


def test_rights(
    device: Device, other_organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    stranger = client_of(factories.make_token(other_organisation))
    assert post(stranger, **COMMENT)["gaps"] == 0
    factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    reader = client_of(factories.make_token(other_organisation, scopes=["read"]))
    assert reader.post(ACCEPT, BODY | COMMENT, format="json").status_code == 403
    assert not AcceptedGap.objects.exists()
    assert post(stranger, **COMMENT)["gaps"] == 1
    assert AcceptedGap.objects.get().organisation == other_organisation


def test_they_are_forgotten_with_the_readings(
    api: APIClient, holes: Device, organisation: Organisation, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(organisation, holes, ActionState.DONE, end="2026-10-14T05:00:00Z")
    api.post(FETCH, BODY, format="json")
    create_all()
    with states_by_hand():
        Request.objects.filter(state=RequestState.QUEUED).update(state=RequestState.FAILED)
    post(api, **COMMENT)
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": timedelta(days=30)}
    retention.keep_house()
    assert (AcceptedGap.objects.count(), AnsweredGap.objects.count()) == (2, 1)
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 12, 10))
    assert retention.is_due()
    retention.keep_house()
    assert (AcceptedGap.objects.count(), AnsweredGap.objects.count()) == (0, 0)
