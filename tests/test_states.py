"""The tables of states, the check that tests make of them, and what is drawn from them."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model, TextChoices
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.batches.models import OPEN_BATCH_STATES, Batch, BatchSource
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.fleet.states import BatchTransitions
from osgp.requests.due import DUE_STATES
from osgp.requests.models import (
    FINAL_STATES,
    LIVE_SESSION_STATES,
    WAITING_STATES,
    Action,
    MeterSession,
    Request,
)
from osgp.requests.states.transitions import ActionTransitions, RequestTransitions, SessionTransitions
from osgp.state_tables import StateTable, Transition, apply
from scripts import state_diagrams
from tests.factories import make_request
from tests.notifications.rows import make_delivery, make_endpoint
from tests.state_check import TABLES, recorded_changes, refusals, states_by_hand

ROOT = Path(__file__).resolve().parent.parent
MAY_CHANGE_STATES = {
    "osgp/state_tables.py",
    "osgp/fleet/states.py",
    "osgp/devices/keystore.py",
    "osgp/notifications/states.py",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "osgp/requests/states").glob("*.py")),
}
NO_ROW = {"osgp/visits/visit.py: action.state"}
"""What a visit has in memory of an action."""
FIRST_STATE = {"osgp/requests/submission.py: create", "osgp/requests/submission.py: Action"}
"""Which one, osgp/requests/states says."""
A_PAST = {"scripts/benchmarks/filling.py: MeterSession", "scripts/benchmarks/filling.py: create"}
"""What a benchmark invents, in a database of its own."""


@pytest.fixture
def rows(organisation: Organisation, device: Device) -> dict[type[Model], Any]:
    """One of each kind."""
    now = timezone.now()
    request = make_request(organisation, device)
    MeterSession.objects.create(meter=device, opened_at=now, expires_at=now)
    Batch.objects.create(organisation=organisation, source=BatchSource.LIST, created_at=now)
    keystore.store_new(device, {KeyType.LLS_PASSWORD: b"secret"})
    make_delivery(make_endpoint(organisation))
    assert request.actions.exists()
    return {model: model._default_manager.all() for model in TABLES}


@pytest.mark.parametrize("model", TABLES)
def test_the_database_refuses_what_its_table_does_not_say(
    model: type[Model], rows: dict[type[Model], Any]
) -> None:
    table, row = TABLES[model], rows[model]
    for former, state in itertools.product(table.states.values, repeat=2):
        with states_by_hand():
            row.update(state=former)
        if former == state or (former, state) in table.list_changes():
            assert row.update(state=state) == 1
        else:
            with pytest.raises(DatabaseError, match="no transition of"), transaction.atomic():
                row.update(state=state)
            assert row.get().state == former


def test_other_columns_change_in_any_state(rows: dict[type[Model], Any]) -> None:
    request = rows[Request].get()
    request.priority = 9
    request.save()
    with states_by_hand():
        rows[Request].update(state="FAILED")
    request.refresh_from_db()
    request.priority = 1
    request.save()
    assert rows[Request].get().priority == 1


def test_by_hand_is_no_longer_than_it_is_said(rows: dict[type[Model], Any]) -> None:
    with states_by_hand():
        rows[Request].update(state="SUCCEEDED")
    with pytest.raises(DatabaseError), transaction.atomic():
        rows[Request].update(state="RUNNING")
    with pytest.raises(RuntimeError), states_by_hand():
        raise RuntimeError
    with pytest.raises(DatabaseError), transaction.atomic():
        rows[Request].update(state="RUNNING")


def test_refusals_are_counted_whatever_is_rolled_back(rows: dict[type[Model], Any]) -> None:
    before = refusals()
    with pytest.raises(DatabaseError), transaction.atomic():
        rows[Request].update(state="SUCCEEDED")
    assert refusals() == before + (connection.vendor == "postgresql")


@pytest.mark.django_db(transaction=True)
def test_changes_are_recorded_in_their_order(organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device)
    rows = Request.objects.filter(pk=request.pk)
    with recorded_changes(Request) as take:
        apply(rows, RequestTransitions.TAKE)
        apply(rows, RequestTransitions.TAKE)
        apply(rows, RequestTransitions.SUCCEED)
        assert take() == [
            (Request, request.pk, "QUEUED", "RUNNING"),
            (Request, request.pk, "RUNNING", "SUCCEEDED"),
        ]
        assert take() == []


def test_transitions_at_once_each_have_their_sources(rows: dict[type[Model], Any]) -> None:
    actions = rows[Action]
    actions.update(state="STARTED")
    pending = Action.objects.create(request=actions.get().request, position=1, message="SynchronizeTime")
    done = Action.objects.create(request=pending.request, position=2, message="SynchronizeTime", state="DONE")
    assert apply(actions, ActionTransitions.GIVE_UP, ActionTransitions.GIVE_UP_STARTED, fault={}) == 2
    assert list(actions.order_by("position").values_list("state", "fault")) == [
        ("UNKNOWN", {}),
        ("FAULT", {}),
        ("DONE", None),
    ]
    done.refresh_from_db()
    assert done.fault is None


def test_names_for_several_states_say_what_the_tables_say() -> None:
    assert RequestTransitions.list_final_states() == FINAL_STATES
    assert set(WAITING_STATES) == set(RequestTransitions.CANCEL.sources)
    assert DUE_STATES == RequestTransitions.TAKE.sources == RequestTransitions.START.sources
    assert set(LIVE_SESSION_STATES) == set(SessionTransitions.LOSE.sources)
    assert (
        set(SessionTransitions.states.values) - LIVE_SESSION_STATES == SessionTransitions.list_final_states()
    )
    assert set(BatchTransitions.states.values) - OPEN_BATCH_STATES == BatchTransitions.list_final_states()


class Light(TextChoices):
    RED = "RED"
    GREEN = "GREEN"
    BROKEN = "BROKEN"


@pytest.mark.parametrize(
    ("initial", "transitions"),
    [
        ({Light.RED: ""}, {"GO": Transition((Light.RED,), Light.GREEN, "", "")}),
        (
            {Light.RED: ""},
            {
                "GO": Transition((Light.RED,), Light.GREEN, "", ""),
                "STOP": Transition((Light.BROKEN,), Light.RED, "", ""),
            },
        ),
    ],
    ids=["a state is left out", "a state is never reached"],
)
def test_a_table_is_complete(initial: dict[str, str], transitions: dict[str, Transition]) -> None:
    body = {"row": "Light", "states": Light, "initial": initial, **transitions}
    with pytest.raises(TypeError, match="does not say how rows get into each of Light"):
        type("LightTransitions", (StateTable,), body)


def test_sources_in_sql() -> None:
    assert RequestTransitions.TAKE.sql_sources == "IN ('QUEUED', 'RETRYING')"
    assert RequestTransitions.SUCCEED.sql_sources == "= 'RUNNING'"


def test_diagrams_are_those_of_the_tables() -> None:
    assert set(state_diagrams.tables()) == set(TABLES.values())
    assert state_diagrams.PAGE.read_text() == state_diagrams.page(state_diagrams.tables()), (
        "python -m scripts.state_diagrams"
    )


def changed_states(source: str) -> Iterator[str]:
    """Where a module gives a row a state: what is called or assigned to, or SQL."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                if name in CALLS and "state" in set(_named(node)):
                    yield name
            case ast.Attribute(attr="state", ctx=ast.Store()):
                yield ast.unparse(node)
            case ast.JoinedStr() | ast.Constant(value=str()):
                text = ast.unparse(node) if isinstance(node, ast.JoinedStr) else str(node.value)
                if SQL.search(text):
                    yield "SQL"


CALLS = {
    *("update", "create", "get_or_create", "update_or_create", "bulk_update", "save", "setattr"),
    *("aupdate", "acreate", "aget_or_create", "aupdate_or_create", "abulk_update", "asave"),
    *(model.__name__ for model in TABLES),
}
SQL = re.compile(r"\bSET\b(?:(?!\b(?:WHERE|FROM)\b).)*\bstate\s*=", re.DOTALL)


def _named(call: ast.Call) -> Iterator[str]:
    """Keywords of a call, and strings among its arguments: names of fields, keys of defaults."""
    for keyword in call.keywords:
        yield keyword.arg or ""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        elements = argument.keys if isinstance(argument, ast.Dict) else getattr(argument, "elts", [argument])
        yield from (each.value for each in elements if isinstance(each, ast.Constant) and each.value)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("rows.update(state=RUNNING)", ["update"]),
        ("Request.objects.create(device=device, state=RUNNING)", ["create"]),
        ("Batch(state=RUNNING)", ["Batch"]),
        ("Batch.objects.get_or_create(uid=uid, defaults={'state': RUNNING})", ["get_or_create"]),
        ("Request.objects.bulk_update(rows, ['due_at', 'state'])", ["bulk_update"]),
        ("request.state = RUNNING", ["request.state"]),
        ("setattr(request, 'state', RUNNING)", ["setattr"]),
        ("request.save(update_fields=['state'])", ["save"]),
        ("S('UPDATE requests_request SET due_at = now(), state = %s WHERE id = 1')", ["SQL"]),
        ("S(f'UPDATE {REQUESTS}\\n SET state = %s, due_at = {{now}}')", ["SQL"]),
        ("rows.filter(state=RUNNING).update(due_at=now)", []),
        ("S(f\"UPDATE {REQUESTS} SET due_at = {{now}} WHERE state = 'RUNNING'\")", []),
        ("state = request.state", []),
        ("Progress(state=RUNNING)", []),
    ],
)
def test_how_changes_of_a_state_are_found(source: str, found: list[str]) -> None:
    assert sorted(set(changed_states(source))) == found


def test_states_change_in_their_modules_only() -> None:
    changed = {
        f"{path.relative_to(ROOT)}: {where}"
        for folder in ("osgp", "scripts")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in MAY_CHANGE_STATES and "migrations" not in path.parts
        for where in changed_states(path.read_text())
    }
    assert changed == NO_ROW | FIRST_STATE | A_PAST
