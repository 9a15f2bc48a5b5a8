"""Registering and removing the public keys of applications, with the audit trail."""

from django.db import transaction

from osgp import platform_time
from osgp.accounts.application_keys import find_key, parse_public_key
from osgp.accounts.models import ApplicationKey, Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent


@transaction.atomic
def register_key(
    organisation: Organisation, application: str, text: str, *, by: str
) -> tuple[ApplicationKey, bool]:
    """Make ``text`` the public key of an application, in the place of a former one; ``by`` says who does it.

    Returns its row, and whether there was none before. The key that is registered already stays as it is.
    Raises NotAPublicKey.
    """
    public_key = parse_public_key(text)
    _lock(organisation)
    former = find_key(organisation, application)
    if former is not None and former.fingerprint == public_key.fingerprint:
        return former, False
    row = former or ApplicationKey(organisation=organisation, application=application)
    details = _tell(row, public_key.fingerprint, former.fingerprint if former else None)
    row.public_key, row.fingerprint = public_key.pem, public_key.fingerprint
    row.registered_at, row.registered_by = platform_time.now(), by
    row.save()
    record(
        AuditEvent.APPLICATION_KEY_REGISTERED,
        organisation=organisation.identification,
        actor=by,
        details=details,
    )
    return row, former is None


@transaction.atomic
def remove_key(organisation: Organisation, application: str, *, by: str) -> bool:
    """Remove the public key of an application; return whether there was one. No keys are handed out then."""
    _lock(organisation)
    row = find_key(organisation, application)
    if row is None:
        return False
    row.delete()
    record(
        AuditEvent.APPLICATION_KEY_REMOVED,
        organisation=organisation.identification,
        actor=by,
        details=_tell(row, None, row.fingerprint),
    )
    return True


def _lock(organisation: Organisation) -> None:
    """Those who change keys of an organisation take turns."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)


def _tell(row: ApplicationKey, fingerprint: str | None, former: str | None) -> dict[str, str | None]:
    return {"application": row.application, "fingerprint": fingerprint, "former_fingerprint": former}
