"""Rules over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.alarms import rule_submission
from osgp.alarms.models import AlarmRule
from tests.factories import make_organisation, make_token

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarms/rules/"
RULE: dict[str, Any] = {
    "name": "scan",
    "alarm_type": "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1",
    "message": "ScanMbusChannels",
}
DEFAULTS: dict[str, Any] = {
    "parameters": {},
    "priority": 4,
    "most_per_hour": 1,
    "only_verified": False,
    "enabled": True,
    "last_sent_at": None,
    "last_fault": None,
}


def test_make_change_and_delete(api: APIClient) -> None:
    made = api.post(URL, RULE, format="json")
    assert (made.status_code, made.json()) == (201, RULE | DEFAULTS)
    assert api.get(URL).json() == {"results": [RULE | DEFAULTS]}
    changed = RULE | {"name": "scan it", "most_per_hour": 3, "enabled": False}
    assert api.put(f"{URL}scan/", changed, format="json").json() == changed | {
        name: value for name, value in DEFAULTS.items() if name not in changed
    }
    assert api.get(f"{URL}scan/").status_code == 404
    assert api.get(f"{URL}scan it/").status_code == 200
    assert api.delete(f"{URL}scan it/").status_code == 204
    assert not AlarmRule.objects.exists()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 31}, "/name"),
        ({"alarm_type": "NONSENSE"}, "/alarm_type"),
        ({"message": "Nonsense"}, "/message"),
        ({"message": "AddDevice"}, "/message"),
        ({"message": "ReplaceKeys"}, "/message"),
        ({"message": "Bundle"}, "/message"),
        ({"parameters": {"colour": "red"}}, "/parameters/colour"),
        ({"parameters": []}, "/parameters"),
        ({"priority": 10}, "/priority"),
        ({"most_per_hour": 0}, "/most_per_hour"),
        ({"colour": "red"}, "/colour"),
    ],
    ids=str,
)
def test_bad_rules(api: APIClient, changes: dict[str, Any], pointer: str) -> None:
    answer = api.post(URL, RULE | changes, format="json")
    assert answer.status_code == 400, answer.json()
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not AlarmRule.objects.exists()


def test_names_are_unique(api: APIClient, organisation: Organisation) -> None:
    AlarmRule.objects.create(organisation=make_organisation("OTHER"), **RULE)
    assert api.post(URL, RULE, format="json").status_code == 201
    answer = api.post(URL, RULE, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/name"


def test_there_is_a_limit(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_submission, "MOST_RULES", 1)
    assert api.post(URL, RULE, format="json").status_code == 201
    assert api.post(URL, RULE | {"name": "other"}, format="json").status_code == 400
    assert api.put(f"{URL}scan/", RULE, format="json").status_code == 200


def test_rules_of_others_do_not_exist(api: APIClient) -> None:
    AlarmRule.objects.create(organisation=make_organisation("OTHER"), **RULE)
    assert api.get(URL).json() == {"results": []}
    assert api.get(f"{URL}scan/").status_code == 404
    assert api.put(f"{URL}scan/", RULE, format="json").status_code == 404
    assert api.delete(f"{URL}scan/").status_code == 404


@pytest.mark.parametrize("scopes", [["read"], ["management"], ["adhoc", "read"]], ids=str)
def test_scopes(organisation: Organisation, client_of: Any, scopes: list[str]) -> None:
    """The scope of the message is needed as well: a rule must not send what its maker may not."""
    client = client_of(make_token(organisation, scopes=scopes))
    assert client.post(URL, RULE, format="json").status_code == 403
    AlarmRule.objects.create(organisation=organisation, **RULE)
    assert client.put(f"{URL}scan/", RULE, format="json").status_code == 403
    assert client.delete(f"{URL}scan/").status_code == (204 if "management" in scopes else 403)
