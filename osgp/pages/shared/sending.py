"""Sending on behalf of organisations, as people in the admin do it."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.faults import Fault
from osgp.pages.shared.message_forms import MessageForm
from osgp.requests.submission import make_organisation_caller

Sent = TypeVar("Sent")


def name_sender(username: str) -> str:
    """How requests name the person who sent them; ``application`` holds 40 characters."""
    return f"admin/{username}"[:40]


def make_caller(organisation: Organisation, request: HttpRequest) -> Caller:
    """The signed-in user, acting for an organisation."""
    return make_organisation_caller(organisation, name_sender(request.user.get_username()))


def submit_form(form: MessageForm, submit: Callable[[], Sent]) -> Sent | None:
    """What ``submit`` stored; None when it was refused, the reasons then being in the form."""
    try:
        with transaction.atomic():
            return submit()
    except ValidationError as error:
        form.take_errors(error.detail)
    except Fault as fault:
        form.take_fault(fault)
    return None
