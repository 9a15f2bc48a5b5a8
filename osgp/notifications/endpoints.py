"""What organisations and operators do with endpoints; REST, pages and command line call it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.audit.changes import tell, tell_change
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.events.models import EventKind
from osgp.messages import registry
from osgp.messages.receiver_urls import ReceiverUrlField
from osgp.messages.serializers import CharField, ChoiceField, IntegerField, StrictSerializer, make_printable
from osgp.notifications import fanout, secrets
from osgp.notifications.models import TEST_KIND, Delivery, Endpoint
from osgp.notifications.schedule import LAST
from osgp.requests.models import FINAL_STATES
from osgp.sql import read_now

MOST_NAMES = 100
"""Entries of a filter."""
DEFAULT_OVERLAP = 24
"""Hours."""
LONGEST_OVERLAP = int(secrets.LONGEST_OVERLAP.total_seconds()) // 3600
PAUSED_BY_CALLER = "Paused by its organisation."


class NotPossible(Exception):
    """Not in this state; the text says why."""


class NoKeys(Exception):
    """This process has no keys to seal secrets with (``OSGP_WEBHOOK_KEYS``)."""

    def __init__(self) -> None:
        super().__init__("Webhooks are not set up on this platform.")


class _MessageField(CharField):
    """The name of a message: with a misspelt one nothing would ever come."""

    default_error_messages = {"unknown": "There is no message {name}."}

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        try:
            registry.find_operation(name)
        except registry.UnknownMessage:
            self.fail("unknown", name=make_printable(name))
        return name


class _NamesField(serializers.ListField):
    """A filter: each name once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, "max_length": MOST_NAMES} | options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        self.run_validators(data)
        return list(dict.fromkeys(super().to_internal_value(data)))


class EndpointFields(StrictSerializer):
    """What is said of an endpoint."""

    url = ReceiverUrlField(help_text="https URL to which notifications are posted.")
    description = CharField(required=False, allow_blank=True, help_text="For people.")
    kinds = _NamesField(
        child=ChoiceField(EventKind.values), help_text="Kinds of notifications; all if empty."
    )
    messages = _NamesField(
        child=_MessageField(max_length=64), help_text="Completed requests of these messages; all if empty."
    )
    statuses = _NamesField(
        child=ChoiceField(sorted(map(str, FINAL_STATES))),
        help_text="Completed requests that ended so; all if empty.",
    )


class RotationFields(StrictSerializer):
    """How a secret is replaced."""

    overlap_hours = IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP,
        default=DEFAULT_OVERLAP,
        help_text="For so long notifications have signatures of both secrets.",
    )


def list_endpoints(organisation: Organisation) -> QuerySet[Endpoint]:
    """Return the endpoints that an organisation registered."""
    return Endpoint.objects.filter(organisation=organisation, origin="", deleted_at__isnull=True)


def find_endpoint(organisation: Organisation, uid: UUID) -> Endpoint | None:
    """Return an endpoint of the organisation, None if it has none of this UID."""
    return list_endpoints(organisation).filter(uid=uid).first()


@transaction.atomic
def register(organisation: Organisation, body: Any, *, by: str) -> tuple[Endpoint, str]:
    """Register an endpoint; return its row and its secret, which cannot be had again.

    ``body`` is JSON of EndpointFields; ``by`` is who does it, for the audit trail. Raises ValidationError,
    also when the organisation has as many as it may have, and NoKeys.
    """
    fields = _validate(EndpointFields(data=body))
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    most = settings.OSGP["WEBHOOK_MOST_ENDPOINTS"]
    if list_endpoints(organisation).count() >= most:
        raise ValidationError(f"There are {most} endpoints already, the most that an organisation may have.")
    endpoint = Endpoint.objects.create(organisation=organisation, created_at=read_now(), **fields)
    return endpoint, issue_secret(organisation, endpoint, timedelta(0), by=by)


@transaction.atomic
def change(endpoint: Endpoint, body: Any) -> Endpoint:
    """Change what is given of an endpoint. Raises ValidationError.

    Deliveries that wait go to the new URL, of which nothing bad is known yet.
    """
    fields = _validate(EndpointFields(data=body, partial=True))
    if fields.get("url", endpoint.url) != endpoint.url:
        fields |= {"consecutive_failures": 0, "retry_at": None, "last_error": "", "last_status": None}
    if fields:
        before = {name: getattr(endpoint, name) for name in fields}
        Endpoint.objects.filter(pk=endpoint.pk).update(**fields)
        tell_change(endpoint, {name: (before[name], value) for name, value in fields.items()})
    endpoint.refresh_from_db()
    return endpoint


@transaction.atomic
def pause(endpoint: Endpoint, reason: str = PAUSED_BY_CALLER) -> Endpoint:
    """Send nothing to an endpoint until it is resumed; deliveries wait. Repeating it changes nothing."""
    rows = Endpoint.objects.filter(pk=endpoint.pk, paused_at__isnull=True)
    if rows.update(paused_at=Now(), pause_reason=reason):
        tell(endpoint, AuditEvent.CHANGED, {"changes": {"paused": [False, True]}, "reason": reason})
    endpoint.refresh_from_db()
    return endpoint


@transaction.atomic
def resume(endpoint: Endpoint) -> Endpoint:
    """Send again to an endpoint, what waits first. Repeating it changes nothing."""
    rows = Endpoint.objects.filter(pk=endpoint.pk, paused_at__isnull=False)
    if rows.update(paused_at=None, pause_reason="", consecutive_failures=0, retry_at=None, wake_at=Now()):
        tell(endpoint, AuditEvent.CHANGED, {"changes": {"paused": [True, False]}})
    endpoint.refresh_from_db()
    return endpoint


@transaction.atomic
def delete(endpoint: Endpoint) -> None:
    """Send nothing to an endpoint any more. Deliveries that wait are cancelled a moment later."""
    if Endpoint.objects.filter(pk=endpoint.pk, deleted_at__isnull=True).update(deleted_at=Now()):
        tell(endpoint, AuditEvent.DELETED, {})
    endpoint.secrets.all().delete()


@transaction.atomic
def issue_secret(
    organisation: Organisation, endpoint: Endpoint | None, overlap: timedelta, *, by: str
) -> str:
    """Make a secret in the place of the present one, for an endpoint or for URLs of requests; return it.

    The former one signs as well for as long as ``overlap``. Raises NoKeys.
    """
    try:
        row, secret = secrets.rotate(organisation, endpoint, overlap)
    except ImproperlyConfigured:
        raise NoKeys from None
    record(
        AuditEvent.WEBHOOK_SECRET_ISSUED,
        organisation=organisation.identification,
        actor=by,
        details={"secret": str(row.uid), "endpoint": str(endpoint.uid) if endpoint else None},
    )
    return secret


def rotate_secret(organisation: Organisation, endpoint: Endpoint | None, body: Any, *, by: str) -> str:
    """As ``issue_secret``, with JSON of RotationFields. Raises ValidationError and NoKeys."""
    fields = _validate(RotationFields(data=body))
    return issue_secret(organisation, endpoint, timedelta(hours=fields["overlap_hours"]), by=by)


@transaction.atomic
def send_test(endpoint: Endpoint) -> Delivery:
    """Send a notification that only tries the endpoint, before all that waits; one attempt.

    The circuit does not hold it back: a person wants to know. Raises NotPossible while it is paused.
    """
    if endpoint.paused_at is not None:
        raise NotPossible("The endpoint is paused.")
    now = read_now()
    # Due before everything else, and at the end of its schedule.
    begun_at = now - LAST
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        kind=TEST_KIND,
        subject=uuid4(),
        data={"endpoint": str(endpoint.uid)},
        begun_at=begun_at,
        due_at=begun_at,
        created_at=now,
    )
    Endpoint.objects.filter(pk=endpoint.pk).update(retry_at=None)
    fanout.wake([endpoint.pk])
    return delivery


def _validate(serializer: StrictSerializer) -> dict[str, Any]:
    if not isinstance(serializer.initial_data, Mapping):
        raise ValidationError("Must be a JSON object.")
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields
