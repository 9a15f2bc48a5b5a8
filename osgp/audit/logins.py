"""Logins, failed ones and logouts of people, by the signals of Django. No password is ever looked at."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction

from osgp.audit.context import name_person
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent

LONGEST_NAME = 80
"""Characters of a tried user name: people type passwords into that field, and others whole novels."""


def watch() -> None:
    """Connect the signals; called at start-up."""
    user_logged_in.connect(_on_login, dispatch_uid="audit login")
    user_logged_out.connect(_on_logout, dispatch_uid="audit logout")
    user_login_failed.connect(_on_failure, dispatch_uid="audit failed login")


def _on_login(sender: Any, user: Any, **_: Any) -> None:
    _tell(AuditEvent.LOGGED_IN, user)


def _on_logout(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        _tell(AuditEvent.LOGGED_OUT, user)


@transaction.atomic
def _tell(event: AuditEvent, user: Any) -> None:
    organisation = getattr(user, "organisation", None)
    record(
        event,
        organisation=organisation.identification if organisation else "",
        actor=name_person(user.get_username()),
    )


@transaction.atomic
def _on_failure(sender: Any, credentials: Any, **_: Any) -> None:
    tried = str(credentials.get("username", ""))[:LONGEST_NAME]
    record(AuditEvent.LOGIN_FAILED, organisation="", actor="", details={"username": tried})
