"""People who sign in to the admin, and what they look at."""

import math

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from osgp.accounts.models import Organisation, User
from osgp.processes import health
from osgp.processes.health import Found, lookout

OPERATOR_PERMISSIONS = (
    "view_device",
    "change_device",
    "view_devicekey",
    "view_deviceauthorisation",
    "view_request",
    "add_request",
    "change_request",
    "view_metersession",
    "view_organisation",
    "view_apitoken",
    "add_apitoken",
    "change_apitoken",
)


def make_user(username: str, organisation: Organisation | None, *permissions: str) -> User:
    """Somebody who may use the admin with these permissions."""
    user = User.objects.create_user(username, is_staff=True, organisation=organisation)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def _nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages look for missing processes after ``lookout.forget()`` only, not whenever it is time to."""
    monkeypatch.setattr(health, "LOOK_EVERY", math.inf)
    monkeypatch.setattr(lookout, "_looked_at", 0.0)
    monkeypatch.setattr(lookout, "_found", Found())


@pytest.fixture
def superuser(db: None) -> Client:
    """A platform operator who may do everything."""
    return signed_in(User.objects.create_superuser("marijke"))


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` with all permissions that operators get."""
    return signed_in(make_user("joost", organisation, *OPERATOR_PERMISSIONS))


@pytest.fixture
def stranger(other_organisation: Organisation) -> Client:
    """Somebody of another organisation, with the same permissions."""
    return signed_in(make_user("frits", other_organisation, *OPERATOR_PERMISSIONS))


@pytest.fixture
def onlooker(db: None) -> Client:
    """Somebody of the platform who may look at requests, and nothing else."""
    return signed_in(make_user("anna", None, "view_request"))
