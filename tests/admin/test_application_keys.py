"""Public keys of applications in the admin: registered, replaced and removed by those who may."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import ApplicationKey, Organisation
from osgp.audit.models import AuditEntry
from osgp.management.application_keys import register_key
from tests.admin.conftest import make_user, signed_in
from tests.rsa_keys import make_pair, private_pem, public_pem

LIST = "admin:accounts_applicationkey_changelist"
ADD = "admin:accounts_applicationkey_add"
PERMISSIONS = ("view_applicationkey", "add_applicationkey", "delete_applicationkey")


@pytest.fixture
def keeper(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` who may do all of it."""
    return signed_in(make_user("piet", organisation, *PERMISSIONS))


def add(client: Client, organisation: Organisation, text: str, application: str = "portal") -> Any:
    data = {"organisation": organisation.pk, "application": application, "public_key": text}
    return client.post(reverse(ADD), data)


def page(client: Client, row: ApplicationKey) -> Any:
    return client.get(reverse("admin:accounts_applicationkey_change", args=[row.pk]))


def entries() -> list[tuple[str, str]]:
    told = AuditEntry.objects.filter(event__startswith="APPLICATION_KEY").order_by("pk")
    return list(told.values_list("event", "actor"))


def test_register_replace_and_remove(keeper: Client, organisation: Organisation) -> None:
    assert keeper.get(reverse(ADD)).status_code == 200
    assert add(keeper, organisation, public_pem(make_pair())).status_code == 302
    row = ApplicationKey.objects.get()
    first = row.fingerprint
    assert (row.organisation, row.application, row.registered_by) == (organisation, "portal", "admin/piet")
    text = page(keeper, row).content.decode()
    assert first in text
    assert "-----BEGIN PUBLIC KEY-----" in text
    assert first[:16] in keeper.get(reverse(LIST)).content.decode()
    assert add(keeper, organisation, public_pem(make_pair("two"))).status_code == 302
    row = ApplicationKey.objects.get()
    assert row.fingerprint != first
    url = reverse("admin:accounts_applicationkey_delete", args=[row.pk])
    assert keeper.post(url, {"post": "yes"}).status_code == 302
    assert not ApplicationKey.objects.exists()
    assert entries() == [
        ("APPLICATION_KEY_REGISTERED", "admin/piet"),
        ("APPLICATION_KEY_REGISTERED", "admin/piet"),
        ("APPLICATION_KEY_REMOVED", "admin/piet"),
    ]


def test_removing_several_at_once(keeper: Client, organisation: Organisation) -> None:
    rows = [
        register_key(organisation, name, public_pem(make_pair()), by="test")[0].pk for name in ("one", "two")
    ]
    data = {"action": "delete_selected", "_selected_action": rows, "post": "yes"}
    assert keeper.post(reverse(LIST), data).status_code == 302
    assert not ApplicationKey.objects.exists()
    assert entries()[2:] == [("APPLICATION_KEY_REMOVED", "admin/piet")] * 2


@pytest.mark.parametrize(
    "text", [private_pem(make_pair()), public_pem(make_pair()) + private_pem(make_pair())]
)
def test_a_private_key_is_refused_and_not_shown_again(
    keeper: Client, organisation: Organisation, text: str
) -> None:
    answer = add(keeper, organisation, text)
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "This is a private key. It was not stored" in shown
    assert not any(line in shown for line in text.splitlines()[1:-1] if len(line) == 64)
    assert not ApplicationKey.objects.exists()


def test_what_is_no_public_key(keeper: Client, organisation: Organisation) -> None:
    answer = add(keeper, organisation, "MIIB")
    assert "Must be an RSA public key in PEM" in answer.content.decode()
    assert "This field is required." in add(keeper, organisation, "").content.decode()
    assert not ApplicationKey.objects.exists()


def test_a_key_is_not_edited(keeper: Client, organisation: Organisation) -> None:
    row, _ = register_key(organisation, "portal", public_pem(make_pair()), by="test")
    url = reverse("admin:accounts_applicationkey_change", args=[row.pk])
    assert keeper.post(url, {"application": "other"}).status_code == 403
    row.refresh_from_db()
    assert row.application == "portal"


def test_whose_keys_somebody_sees(
    keeper: Client, superuser: Client, organisation: Organisation, other_organisation: Organisation
) -> None:
    own, _ = register_key(organisation, "portal", public_pem(make_pair()), by="test")
    other, _ = register_key(other_organisation, "portal", public_pem(make_pair()), by="test")
    listed = keeper.get(reverse(LIST)).context["cl"].result_list
    assert [row.pk for row in listed] == [own.pk]
    assert page(keeper, other).status_code == 302
    assert add(keeper, other_organisation, public_pem(make_pair("two"))).status_code == 200
    other.refresh_from_db()
    assert other.fingerprint == own.fingerprint
    assert page(superuser, other).status_code == 200
    onlooker = signed_in(make_user("anna", organisation, "view_applicationkey"))
    assert page(onlooker, own).status_code == 200
    assert onlooker.get(reverse(ADD)).status_code == 403
