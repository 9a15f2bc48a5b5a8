"""Each page of the admin, as users of another organisation and users without permissions call it."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import ForeignKey
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import User
from tests.admin.conftest import _nothing_missing, signed_in
from tests.tenants.admin_table import (
    EXTRAS,
    MODELS,
    NO_PAGE,
    OWN,
    PAGES_OF_ROWS,
    SITE,
    list_posts,
    list_queries,
)
from tests.tenants.routes import ADMIN, Route, list_routes
from tests.tenants.traces import find_changes, list_rows, read_answer, rolled_back
from tests.tenants.world import World, count_references, invent

__all__ = ["_nothing_missing"]

REGISTERED = {model._meta.label: model for model in admin.site._registry}
ROUTES = [route for route in list_routes() if route.pattern.startswith(ADMIN)]
_NUMBERS = re.compile(r"\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

COLLEAGUE = "aquarius-user aquarius"
"""What each page shows of the user."""
SHOWS_MESSAGES = "/admin/password_change/"
"""What a message of a page before says is shown by the next one."""

every_model = pytest.mark.parametrize("label", sorted(REGISTERED))
own_models = pytest.mark.parametrize("label", sorted(label for label, kind in MODELS.items() if kind == OWN))
every_extra = pytest.mark.parametrize("name", EXTRAS)


@pytest.fixture
def staff(world: World) -> Client:
    """Of another organisation, with all permissions."""
    return signed_in(world.staff)


@pytest.fixture
def colleague(world: World) -> Client:
    """Of the organisation itself, with all permissions."""
    world.estate.user.user_permissions.set(Permission.objects.all())
    return signed_in(world.estate.user)


def get_url(label: str, page: str, *arguments: str) -> str:
    model = REGISTERED[label]
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def list_urls_of_row(label: str, key: str) -> list[str]:
    return [get_url(label, page, key) for page in PAGES_OF_ROWS]


def describe(answer: Any) -> tuple[int, str]:
    """The status, and where it leads; numbers are those of the row that was asked for."""
    return answer.status_code, _NUMBERS.sub("*", answer.headers.get("Location", ""))


# --- No page without a line ---


def test_no_model_without_a_line() -> None:
    assert REGISTERED.keys() == MODELS.keys(), "say in admin_table.py who may see these"


def test_no_page_without_a_line() -> None:
    """Beside Django's pages of a model and its rows."""
    known = {f"{model._meta.app_label}_{model._meta.model_name}" for model in REGISTERED.values()}
    pages = {f"{model}_{page}" for model in known for page in ("changelist", "add", *PAGES_OF_ROWS)}
    others = []
    for route in ROUTES:
        is_old_address = route.name is None and route.pattern.endswith("/<path:object_id>/")
        if route.name in pages or route.name in EXTRAS or is_old_address:
            continue
        if not any(route.pattern == page or _begins(route, page) for page in SITE):
            others.append(route.pattern)
    assert others == [], "add lines for these to admin_table.py"
    assert {route.name for route in ROUTES} >= EXTRAS.keys() | pages


def _begins(route: Route, page: str) -> bool:
    return "(" in page and route.pattern.startswith(page)


def test_everything_has_a_row(world: World) -> None:
    """Else a page would be asked for nothing; and what belongs to organisations is in the estate."""
    assert {label for label, kind in MODELS.items() if kind == OWN} <= world.pages.keys()
    empty = {name for name, number in count_references(world.estate).items() if not number}
    assert empty == set(), "add rows of these to estate.py"


# --- Another organisation's staff ---


@every_model
def test_lists(world: World, staff: Client, label: str) -> None:
    url, names, keys = get_url(label, "changelist"), world.estate.names, world.pages
    known = {
        getattr(each, "parameter_name", "") for each in admin.site._registry[REGISTERED[label]].list_filter
    }
    for query in [{}, *list_queries(names, keys)]:
        if known and not any(name in known or name == "q" or "__" in name for name in query):
            continue
        answer = staff.get(url, query)
        if MODELS[label] != OWN:
            assert answer.status_code == 403
            return
        assert answer.status_code in (200, 302, 400), query
        assert world.traces.find(answer, str(query)) == [], query


@own_models
def test_lists_of_the_organisation(world: World, colleague: Client, label: str) -> None:
    """They have the row, or say something of it: else the test before would prove nothing."""
    url = get_url(label, "changelist")
    answers = [colleague.get(url), colleague.get(url, {"state": "all"})]
    assert answers[0].status_code == 200
    assert any(_has_row(world, answer, label) for answer in answers)


def _has_row(world: World, answer: Any, label: str) -> bool:
    shown = (answer.context or {}).get("cl")
    if shown is None:
        return bool(world.traces.find(answer, COLLEAGUE))
    return world.pages[label] in {str(row.pk) for row in shown.result_list}


@every_model
def test_rows(world: World, staff: Client, label: str) -> None:
    """The row of others is one that there is not, for GET and POST, and stays as it is."""
    key = world.pages.get(label, "77")
    with rolled_back():
        for asked, invented in zip(
            list_urls_of_row(label, key), list_urls_of_row(label, invent(key)), strict=True
        ):
            for answers in (
                (staff.get(asked), staff.get(invented)),
                (staff.post(asked, {"post": "yes"}), staff.post(invented, {"post": "yes"})),
            ):
                assert describe(answers[0]) == describe(answers[1])
                assert answers[0].status_code in (302, 403, 404)
                assert world.traces.find(answers[0], asked) == []
        assert world.traces.find(staff.get(SHOWS_MESSAGES), key) == []
        assert find_changes(world.rows, list_rows(), new=True) == {}


@own_models
def test_rows_of_the_organisation(world: World, colleague: Client, label: str) -> None:
    answer = colleague.get(get_url(label, "change", world.pages[label]), follow=True)
    assert answer.status_code == (404 if label in NO_PAGE else 200)
    history = colleague.get(get_url(label, "history", world.pages[label]))
    assert history.status_code == 200


@own_models
def test_actions(world: World, staff: Client, label: str) -> None:
    """With the primary keys of others, filled in by hand."""
    with rolled_back():
        for name in (*ACTIONS[label], "delete_selected"):
            posted = {
                "action": name,
                "_selected_action": [world.pages[label]],
                "confirmed": "yes",
                "post": "yes",
            }
            for more in ({"back": world.pages[label]}, {"select_across": "1"}):
                answer = staff.post(get_url(label, "changelist"), posted | more)
                assert world.traces.find(answer) == [], name
        assert world.traces.find(staff.get(SHOWS_MESSAGES)) == []
        assert find_changes(world.rows, list_rows()) == {}
        assert count_references(world.estate) == world.references


ACTIONS = {
    model._meta.label: [
        action if isinstance(action, str) else action.__name__ for action in model_admin.actions or ()
    ]
    for model, model_admin in admin.site._registry.items()
}


@every_model
def test_adding(world: World, staff: Client, label: str) -> None:
    """Forms offer nothing of others, and take nothing of them that was filled in by hand."""
    url = get_url(label, "add")
    posted = list_posts(world.estate.names, world.pages)
    query = {"message": "SynchronizeTime"} | {
        name: posted[name] for name in ("device", "organisation", "group", "on_behalf_of")
    }
    with rolled_back():
        for asked in (staff.get(url), staff.get(url, query)):
            assert asked.status_code in ((403,) if MODELS[label] != OWN else (200, 403))
            assert world.traces.find(asked, str(query)) == []
        for path in (url, f"{url}?{_encode(query)}"):
            assert world.traces.find(staff.post(path, posted), str(posted)) == []
        assert world.traces.find(staff.get(SHOWS_MESSAGES), str(posted)) == []
        assert find_changes(world.rows, list_rows()) == {}
        assert count_references(world.estate) == world.references


def test_missing_readings(world: World, staff: Client) -> None:
    """The buttons below the list of missing readings."""
    posted = list_posts(world.estate.names, world.pages)
    with rolled_back():
        for query in ("", f"?device={world.estate.meter.identification}", f"?group={posted['group']}"):
            for button in ({}, {"accept": "1"}, {"take_back": "1"}):
                answer = staff.post(get_url("readings.Series", "changelist") + query, posted | button)
                assert world.traces.find(answer, query) == []
        assert world.traces.find(staff.get(SHOWS_MESSAGES)) == []
        assert find_changes(world.rows, list_rows()) == {}
        assert count_references(world.estate) == world.references


def _encode(query: dict[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in query.items())


@every_extra
def test_other_pages(world: World, staff: Client, name: str) -> None:
    extra = EXTRAS[name]
    key = world.pages[extra.model]
    asked, invented = (reverse(f"admin:{name}", args=[each, *extra.rest]) for each in (key, invent(key)))
    with rolled_back():
        for answers in (
            (staff.get(asked), staff.get(invented)),
            (staff.post(asked, extra.posted), staff.post(invented, extra.posted)),
        ):
            assert describe(answers[0]) == describe(answers[1])
            assert answers[0].status_code in (302, 403, 404, 405)
            assert world.traces.find(answers[0], asked) == []
        assert world.traces.find(staff.get(SHOWS_MESSAGES), key) == []
        assert find_changes(world.rows, list_rows(), new=True) == {}


def test_site(world: World, staff: Client) -> None:
    for path in SITE:
        if "(" in path or "<" in path:
            continue
        answer = staff.get(f"/{path}", follow=path != "admin/logout/")
        assert answer.status_code in (200, 403, 405), path
        assert world.traces.find(answer) == [], path
    for app in {model._meta.app_label for model in REGISTERED.values()}:
        assert world.traces.find(staff.get(f"/admin/{app}/")) == []


@pytest.mark.parametrize("term", ["", "aquarius", "AQUARIUSMETER1", "770001"])
def test_autocomplete(world: World, staff: Client, term: str) -> None:
    """Of every foreign key that there is, whether or not a form searches for it."""
    for model in REGISTERED.values():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                query = {
                    "app_label": model._meta.app_label,
                    "model_name": str(model._meta.model_name),
                    "field_name": field.name,
                    "term": term,
                }
                answer = staff.get("/admin/autocomplete/", query)
                assert answer.status_code in (200, 403, 404)
                assert world.traces.find(answer) == [], (model, field.name)


# --- Nobody in particular ---


@pytest.fixture
def onlooker(world: World) -> Client:
    """A user of no organisation, who sees what of all organisations its permissions open: nothing."""
    return signed_in(world.onlooker)


def _fill_in(world: World, route: Route) -> str | None:
    """A path with keys of the estate; None for patterns of no page in particular."""
    if "(" in route.pattern:
        return None
    name = str(route.name)
    labels = {
        f"{model._meta.app_label}_{model._meta.model_name}": label for label, model in REGISTERED.items()
    }
    label = EXTRAS[name].model if name in EXTRAS else labels.get(name.rpartition("_")[0], "devices.Device")
    key = world.pages.get(label, "77")
    return route.fill_in(dict.fromkeys(route.parameters, key)).replace("<id>", key)


def test_without_permissions(world: World, onlooker: Client) -> None:
    for route in ROUTES:
        path = _fill_in(world, route)
        if path is None:
            continue
        with rolled_back():
            answer = onlooker.get(path)
            assert world.traces.find(answer, path) == [], path
            if route.pattern not in SITE and route.name is not None:
                # The history of a row that is not there leads to the overview.
                refusals = (302, 403, 404) if "/77/" in path else (403, 404)
                assert answer.status_code in refusals, path
                if not path.endswith(("/history/", "/change/")):
                    assert onlooker.post(path, {"post": "yes"}).status_code in (*refusals, 405), path
    with rolled_back():
        onlooker.post("/admin/logout/")


def test_without_a_session(world: World) -> None:
    for route in ROUTES:
        path = _fill_in(world, route)
        if path is None or route.pattern in ("admin/login/", "admin/logout/", "admin/jsi18n/"):
            continue
        answer = Client().get(path)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith("/admin/login/"), path
        assert world.traces.find(answer, path) == [], path


def test_a_member_of_no_staff(world: World) -> None:
    """Who is no member of the staff is asked to sign in as one, whatever permissions they have."""
    user = User.objects.create_user("nobody", organisation=world.stranger_organisation)
    user.user_permissions.set(Permission.objects.all())
    client = signed_in(user)
    for label in REGISTERED:
        answer = client.get(get_url(label, "changelist"))
        assert answer.status_code == 302, read_answer(answer)
