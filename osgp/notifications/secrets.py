"""The stored secrets of endpoints: made, rotated, and opened to sign with.

They are sealed as device keys are, under key-encryption keys of their own (``OSGP_WEBHOOK_KEYS``).
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.devices import envelope
from osgp.notifications import signing
from osgp.notifications.keyring import load_keys
from osgp.notifications.models import Endpoint, Secret
from osgp.sql import add_to_now

LONGEST_OVERLAP = timedelta(days=7)
"""How long a former secret may go on beside its successor."""
MOST_FORMER = 2
"""Former secrets that may still be in use: each adds a signature to each notification."""


@transaction.atomic
def rotate(
    organisation: Organisation, endpoint: Endpoint | None = None, overlap: timedelta = timedelta(0)
) -> tuple[Secret, str]:
    """Make a secret, for an endpoint or for the URLs of an organisation's requests; return its row and text.

    The text cannot be had again. What was the present secret signs beside it for as long as ``overlap``.
    Raises ImproperlyConfigured without keys to seal it.
    """
    # One rotation of an organisation at a time.
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    rows = _select(organisation.pk, endpoint)
    former = list(rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now())).order_by("-pk"))
    for row in former[MOST_FORMER:]:
        row.delete()
    rows.filter(expires_at__isnull=True).update(expires_at=add_to_now(overlap))
    rows.filter(expires_at__lte=Now()).delete()
    return _store(organisation, endpoint)


def list_valid(organisation_id: int, endpoint: Endpoint | None = None) -> list[Secret]:
    """Return the rows of the secrets that sign, latest first."""
    valid = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    return list(_select(organisation_id, endpoint).filter(valid).order_by("-pk"))


def open_for(endpoint: Endpoint) -> list[bytes]:
    """Return the secrets to sign with, the present one first; makes one if there is none.

    An organisation that never asked for the secret of its requests' URLs can verify nothing, but a receiver
    that insists on a signature is served, and one that does not never learns to do without. Raises
    envelope.UnsealError and ImproperlyConfigured.
    """
    of = None if endpoint.is_implicit else endpoint
    rows = list_valid(endpoint.organisation_id, of)
    if not rows:
        with transaction.atomic():
            organisation = Organisation.objects.select_for_update().get(pk=endpoint.organisation_id)
            rows = list_valid(organisation.pk, of) or [_store(organisation, of)[0]]
    keys = load_keys()
    return [envelope.unseal(envelope.get_sealed(row), _make_context(row), keys) for row in rows]


def rewrap_all() -> int:
    """Wrap all secrets under the current key of ``OSGP_WEBHOOK_KEYS``; return how many had another one.

    Raises envelope.UnsealError for one whose key is missing.
    """
    keys = load_keys()
    changed = 0
    for row in Secret.objects.exclude(key_encryption_key_id=keys.current).order_by("pk").iterator():
        sealed = envelope.rewrap(envelope.get_sealed(row), keys)
        changed += Secret.objects.filter(pk=row.pk, wrapped_data_key=row.wrapped_data_key).update(
            key_encryption_key_id=sealed.key_encryption_key_id, wrapped_data_key=sealed.wrapped_data_key
        )
    return changed


def _select(organisation_id: int, endpoint: Endpoint | None) -> QuerySet[Secret]:
    return Secret.objects.filter(organisation=organisation_id, endpoint=endpoint)


def _store(organisation: Organisation, endpoint: Endpoint | None) -> tuple[Secret, str]:
    secret = signing.make_secret()
    row = Secret(organisation=organisation, endpoint=endpoint, created_at=platform_time.now())
    sealed = envelope.seal(secret, _make_context(row), load_keys())
    row.key_encryption_key_id = sealed.key_encryption_key_id
    row.wrapped_data_key, row.ciphertext = sealed.wrapped_data_key, sealed.ciphertext
    row.save(force_insert=True)
    return row, signing.format_secret(secret)


def _make_context(row: Secret) -> bytes:
    """A sealed secret that was moved to another row does not open."""
    return f"osgp webhook secret 1|{row.uid}|{row.organisation_id}|{row.endpoint_id or ''}".encode()
