"""``Idempotency-Key``: a POST that is repeated because its answer was lost is not carried out twice.

The same key with the same method, path and body returns the request or batch of the first call. Another body
is refused with 422; while the first call is in progress, the answer is 409. A refused call leaves its key
free. Keys expire after a day, and are deleted with their request or batch.
"""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.requests.api.problems import Conflict, UnprocessableContent
from osgp.requests.models import IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey

HEADER = "Idempotency-Key"
CLAIM_LIFETIME = timedelta(minutes=1)
"""After this time the call that claimed the key counts as dead."""
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
    claim = _claim(organisation, key, digest)
    if not isinstance(claim, uuid.UUID):
        known: Row = claim
        return known
    try:
        with transaction.atomic():
            made = submit()
            open_ = IdempotencyKey.objects.filter(claim=claim, request__isnull=True, batch__isnull=True)
            if not open_.update(**{str(made._meta.model_name): made}):
                raise Conflict("Another call with this key took over meanwhile.")
            return made
    except BaseException:
        IdempotencyKey.objects.filter(claim=claim, request__isnull=True, batch__isnull=True).delete()
        raise


def _compute_digest(method: str, path: str, body: Any) -> str:
    return hashlib.sha256(json.dumps([method, path, body], sort_keys=True).encode()).hexdigest()


def _claim(organisation: Organisation, key: str, digest: str) -> Any:
    """Return the request or batch of the key, or a claim (UUID) by which this call may create it."""
    now = platform_time.now()
    fresh = IdempotencyKey(organisation=organisation, key=key, digest=digest, created_at=now)
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
        return fresh.claim
    except IntegrityError:
        known = IdempotencyKey.objects.select_related("request", "batch").filter(
            organisation=organisation, key=key
        )
    row = known.first()
    if row is None:
        raise Conflict("The first call with this key has just failed; send it again.")
    made = row.request or row.batch
    if row.created_at < now - (IDEMPOTENCY_KEY_LIFETIME if made else CLAIM_LIFETIME):
        taken = IdempotencyKey.objects.filter(pk=row.pk, claim=row.claim).update(
            digest=digest, claim=fresh.claim, created_at=now, request=None, batch=None
        )
        if taken:
            return fresh.claim
    if row.digest != digest:
        raise UnprocessableContent("The Idempotency-Key was used for another request before.")
    if made is None:
        raise Conflict("The first call with this Idempotency-Key is still in progress.")
    return made
