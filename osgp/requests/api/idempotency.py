"""``Idempotency-Key``: a POST that is repeated because its answer was lost is not carried out twice.

The same key with the same method, path and body returns the request or batch of the first call. Another body
is refused with 422; while the first call is in progress, the answer is 409. A refused call leaves its key
free. Keys expire after a day, and are deleted with their request or batch.

A key is stored in the transaction that stores the request, and held by a lock of that transaction. So when a
process dies in the middle, the database lets go of the key and of all that was begun with it as soon as the
connection breaks: the next call begins anew, at once.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Model
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.requests.api.problems import Conflict, UnprocessableContent
from osgp.requests.models import IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey

HEADER = "Idempotency-Key"
LONGEST_KEY = 255

Row = TypeVar("Row", bound=Model)
"""A request or a batch."""


def submit_once(http_request: HttpRequest, organisation: Organisation, submit: Callable[[], Row]) -> Row:
    """Call ``submit``, or return its result of a former call with the same key.

    Raises ValidationError for a malformed key, Conflict or UnprocessableContent (see above), and what
    ``submit`` raises.
    """
    key = http_request.headers.get(HEADER)
    if key is None:
        return submit()
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValidationError({HEADER: [f"Must be 1 to {LONGEST_KEY} printable ASCII characters."]})
    digest = _compute_digest(str(http_request.method), http_request.path, http_request.data)
    with transaction.atomic():
        _hold(organisation, key)
        known: Row | None = _find(organisation, key, digest)
        if known is not None:
            return known
        made = submit()
        _keep(organisation, key, digest, made)
        return made


def _compute_digest(method: str, path: str, body: Any) -> str:
    return hashlib.sha256(json.dumps([method, path, body], sort_keys=True).encode()).hexdigest()


def _hold(organisation: Organisation, key: str) -> None:
    """Hold the key until the end of the transaction. Raises Conflict while another call does.

    On SQLite, which has one writer at a time, the other call has ended when this transaction begins.
    """
    if connection.vendor != "postgresql":
        return
    digest = hashlib.sha256(f"{HEADER} {organisation.pk} {key}".encode()).digest()
    with connection.cursor() as cursor:
        number = int.from_bytes(digest[:8], signed=True)
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        [is_held] = cursor.fetchone()
    if not is_held:
        raise Conflict("The first call with this Idempotency-Key is still in progress.")


def _find(organisation: Organisation, key: str, digest: str) -> Any:
    """Return the request or batch of a former call; None if there is none, and the key is free."""
    former = IdempotencyKey.objects.select_related("request", "batch")
    row = former.filter(organisation=organisation, key=key).first()
    if row is None:
        return None
    made = row.request or row.batch
    # A former release stored keys before it carried the call out, and died in the middle.
    if made is None or row.created_at < platform_time.now() - IDEMPOTENCY_KEY_LIFETIME:
        row.delete()
        return None
    if row.digest != digest:
        raise UnprocessableContent("The Idempotency-Key was used for another request before.")
    return made


def _keep(organisation: Organisation, key: str, digest: str, made: Model) -> None:
    row = IdempotencyKey(organisation=organisation, key=key, digest=digest, created_at=platform_time.now())
    setattr(row, str(made._meta.model_name), made)
    row.save(force_insert=True)
