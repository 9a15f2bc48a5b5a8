"""A batch for 100,000 devices: what it costs is counted, in queries and in rows that are looked at.

The database is made to believe that its tables are all but empty, as it does right after so many rows were
put in: nothing may depend on its knowing better.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import creation, steering
from osgp.fleet.progress import measure_progress
from osgp.requests.models import Action, Request, RequestState
from tests.batches.crowds import make_crowd
from tests.factories import make_device, make_request
from tests.quick_database import analyze
from tests.state_check import states_by_hand

pytestmark = pytest.mark.timeout(600)  # Many rows; on a busy machine they take their time.

CROWD = 100_000
URL = "/api/v1/requests/batch/"


READS = {"message": "ActualMeterReads"}
BUNDLE = {"message": "Bundle", "actions": [READS, {"message": "SynchronizeTime"}, READS]}
SMALLER = 20_000
"""Enough for the database to choose a plan as if it were the crowd."""


def make_group_of(organisation: Organisation, size: int) -> DeviceGroup:
    """The group "all", put in when statistics knew of one request without a batch."""
    device = make_device("X1", owner=organisation)
    make_request(organisation, device, state=RequestState.SUCCEEDED)
    group = DeviceGroup.objects.create(organisation=organisation, name="all")
    groups.add(group, ["X1"])
    if connection.vendor == "postgresql":
        analyze()
    groups.remove(group, ["X1"])
    make_crowd(organisation, size)
    with CaptureQueriesContext(connection) as queries:
        assert groups.add_all(group) == size + 1
    # The group, and its line in the audit trail.
    assert len([each for each in queries if "SAVEPOINT" not in each["sql"]]) <= 3
    assert groups.add_all(group) == 0
    assert groups.remove(group, ["X1"]).number == 1
    return group


@contextmanager
def instances() -> Iterator[Counter[Any]]:
    """How many instances of each model are made meanwhile."""
    made: Counter[Any] = Counter()

    def note(sender: Any, **_: Any) -> None:
        made[sender] += 1

    post_init.connect(note)
    try:
        yield made
    finally:
        post_init.disconnect(note)


def create_all() -> list[int]:
    """Make all requests; returns how many queries each slice took."""
    costs = []
    while True:
        with CaptureQueriesContext(connection) as queries:
            if not creation.create_slice():
                return costs
        costs.append(len(queries))


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


def pages(api: APIClient, url: str, number: int) -> tuple[list[str], list[int]]:
    """Correlation UIDs on the first pages, and what each page cost in queries."""
    api.get(url)  # Notes the use of the token, which is done once a minute.
    uids: list[str] = []
    costs = []
    for _ in range(number):
        with CaptureQueriesContext(connection) as queries:
            answer = api.get(url)
        costs.append(len(queries))
        uids += [row["correlation_uid"] for row in answer.json()["results"]]
        url = answer["Link"].partition(">")[0].removeprefix("<")
    return uids, costs


def test_from_creation_to_cancelling(api: APIClient, organisation: Organisation) -> None:
    make_group_of(organisation, CROWD)
    answer = api.post(URL, {"message": "ActualMeterReads", "device_group": "all"}, format="json")
    assert (answer.status_code, answer.json()["total"]) == (202, CROWD)
    batch = Batch.objects.get()

    with instances() as made:
        costs = create_all()
    slices = CROWD // creation.SLICE
    assert len(costs) == slices + 1  # The last one finds that there are no more.
    assert len(set(costs[1 : slices - 1])) == 1, "a slice costs as much as any other"
    assert max(costs) <= 18
    assert (made[Request], made[Action]) == (0, 0), "they are made by the database"
    assert made[Device] <= CROWD
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.skipped) == (BatchState.RUNNING, CROWD, 0)
    assert Action.objects.filter(request__batch=batch).count() == CROWD

    ordered = Request.objects.filter(batch=batch).order_by("pk")
    first = ordered.values_list("pk", flat=True)[0]
    fault = {"code": 233, "name": "RESPONSE_TIMEOUT"}
    ordered.filter(pk__range=(first + 2000, first + 2999)).update(state=RequestState.FAILED, fault=fault)
    with states_by_hand():
        ordered.filter(pk__range=(first, first + 1999)).update(state=RequestState.SUCCEEDED)
    with CaptureQueriesContext(connection) as queries:
        counts = measure_progress(batch)
    assert len(queries) == 2
    assert (counts.states["QUEUED"], counts.final) == (CROWD - 3000, 3000)
    assert counts.success_rate == Decimal("0.6666")

    uids, costs = pages(api, f"/api/v1/requests/?batch={batch.uid}&page_size=1000", 5)
    newest = ordered.reverse().values_list("correlation_uid", flat=True)[:5000]
    assert uids == [str(uid) for uid in newest]
    assert len(set(costs)) == 1, "a page costs as much as any other"
    failed = api.get(f"/api/v1/requests/?batch={batch.uid}&status=FAILED&page_size=1000")
    assert len(failed.json()["results"]) == 1000

    cancelled = api.post(f"{URL}{batch.uid}/cancel/").json()
    assert cancelled["status"] == "CANCELLING"
    assert cancelled["requests"]["CANCELLED"] >= steering.CANCELLED_AT_ONCE
    assert steering.find_batch_to_cancel() == batch.pk
    while steering.cancel_slice(batch.pk):
        pass
    assert steering.settle() == 1
    body = api.get(f"{URL}{batch.uid}/").json()
    assert (body["status"], body["success_rate"]) == ("CANCELLED", "0.6666")
    assert {state: number for state, number in body["requests"].items() if number} == {
        "SUCCEEDED": 2000, "FAILED": 1000, "CANCELLED": CROWD - 3000
    }  # fmt: skip

    again = api.post(f"{URL}{batch.uid}/retry-failed/").json()
    assert again["total"] == 1000
    create_all()
    assert Request.objects.filter(batch__uid=again["uid"], state=RequestState.QUEUED).count() == 1000


STATEMENTS = {
    "actions": "INSERT INTO requests_action",
    "devices": 'FROM "devices_device" WHERE',
    "grants": 'FROM "accounts_deviceauthorisation"',
    "members": 'FROM "devices_devicegroupmembership"',
}
ALL_OF_A_TABLE = re.compile(r"(?:Seq Scan on|SCAN) (?:requests_\w+|devices_\w+)")
"""Grants are not among them: 2,000 look-ups may well cost more than to read 100,000 rows in a row."""
SHARED_KEYS = re.compile(r"request_(?:of_)?batch\w*|\w*batch_and_device|\w*authorisation_organisation\w*")
"""Indexes of what all requests of a batch, or all grants of an organisation, have in common."""


@pytest.mark.parametrize("message", [READS, BUNDLE], ids=["message", "bundle"])
def test_a_slice_looks_at_its_own_rows_alone(
    api: APIClient, organisation: Organisation, message: dict[str, Any]
) -> None:
    """Its statements find them by their keys, and by nothing that all others share with them.

    Those of the first slice are all there are by then.
    """
    make_group_of(organisation, SMALLER)
    api.post(URL, {**message, "device_group": "all"}, format="json")
    creation.create_slice()
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            creation.create_slice()
        statements = [query["sql"] for query in queries if "COUNT" not in query["sql"]]
        for begin in STATEMENTS.values():
            [statement] = [statement for statement in statements if begin in statement]
            plan = plan_of(statement)
            assert ALL_OF_A_TABLE.findall(plan) + SHARED_KEYS.findall(plan) == [], plan


def test_bundles_cost_no_more_queries(api: APIClient, organisation: Organisation) -> None:
    make_group_of(organisation, SMALLER)
    api.post(URL, {**BUNDLE, "device_group": "all"}, format="json")
    with instances() as made:
        costs = create_all()
    slices = SMALLER // creation.SLICE
    assert len(costs) == slices + 1
    assert max(costs) <= 18
    assert (made[Request], made[Action]) == (0, 0)
    stored = (
        Action.objects.filter(request__batch__isnull=False)
        .values_list("position", "message")
        .annotate(number=Count("*"))
        .order_by("position")
    )
    assert list(stored) == [
        (position, action["message"], SMALLER) for position, action in enumerate(BUNDLE["actions"])
    ]


def test_a_page_of_its_requests_looks_at_those_alone(api: APIClient, organisation: Organisation) -> None:
    """They are found in order; nothing is sorted, and what was sent after them is not looked at.

    It is so before the database knows how many there are, and after.
    """
    make_group_of(organisation, SMALLER)
    for _ in range(2):
        api.post(URL, {"message": "ActualMeterReads", "device_group": "all"}, format="json")
    create_all()
    _check_a_page(api, Batch.objects.earliest("pk"))
    if connection.vendor == "postgresql":
        analyze()
        _check_a_page(api, Batch.objects.earliest("pk"))


def _check_a_page(api: APIClient, batch: Batch) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get(f"/api/v1/requests/?batch={batch.uid}").json()["results"]) == 100
    [page] = [query["sql"] for query in queries if "LIMIT 101" in query["sql"]]
    plan = plan_of(page)
    assert "request_of_batch" in plan
    assert re.findall("Sort|TEMP B-TREE", plan) == []
