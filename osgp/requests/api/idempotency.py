"""``Idempotency-Key``: a POST that is repeated because its answer got lost is not carried out twice.

The same key with the same method, path and body leads to the request that the first call made; with another
body it is refused with 422, and with 409 while the first call is still being worked on. A call that is
refused leaves its key free. Keys are forgotten after a day, or when their request is deleted.
"""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest

from osgp.accounts.models import Organisation
from osgp.requests.api.problems import Conflict, UnprocessableContent
from osgp.requests.models import IdempotencyKey, Request

HEADER = "Idempotency-Key"
LIFETIME = timedelta(hours=24)
CLAIM_LIFETIME = timedelta(minutes=1)
"""After this time the call that claimed the key is taken to have died."""
LONGEST_KEY = 255


def once(http_request: HttpRequest, organisation: Organisation, submit: Callable[[], Request]) -> Request:
    """Call ``submit``, or return what it returned when it was called for the same key before.

    Raises ValidationError for a malformed key, Conflict or UnprocessableContent (see above), and whatever
    ``submit`` raises.
    """
    key = http_request.headers.get(HEADER)
    if key is None:
        return submit()
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValidationError({HEADER: [f"Must be 1 to {LONGEST_KEY} printable ASCII characters."]})
    digest = _digest(str(http_request.method), http_request.path, http_request.data)
    claim = _claim(organisation, key, digest)
    if isinstance(claim, Request):
        return claim
    try:
        with transaction.atomic():
            request = submit()
            kept = IdempotencyKey.objects.filter(claim=claim, request__isnull=True).update(request=request)
            if not kept:
                raise Conflict("Another call with this key took over meanwhile.")
            return request
    except BaseException:
        IdempotencyKey.objects.filter(claim=claim, request__isnull=True).delete()
        raise


def delete_expired() -> int:
    """Forget the keys that are older than a day; returns how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - LIFETIME).delete()
    return deleted


def _digest(method: str, path: str, body: Any) -> str:
    return hashlib.sha256(json.dumps([method, path, body], sort_keys=True).encode()).hexdigest()


def _claim(organisation: Organisation, key: str, digest: str) -> Request | uuid.UUID:
    """The request that the key stands for already, or the claim under which this call may make one."""
    now = timezone.now()
    fresh = IdempotencyKey(organisation=organisation, key=key, digest=digest, created_at=now)
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
        return fresh.claim
    except IntegrityError:
        known = IdempotencyKey.objects.select_related("request").filter(organisation=organisation, key=key)
    row = known.first()
    if row is None:
        raise Conflict("The first call with this key has just failed; send it again.")
    if row.created_at < now - (LIFETIME if row.request else CLAIM_LIFETIME):
        taken = IdempotencyKey.objects.filter(pk=row.pk, claim=row.claim).update(
            digest=digest, claim=fresh.claim, created_at=now, request=None
        )
        if taken:
            return fresh.claim
    if row.digest != digest:
        raise UnprocessableContent("The Idempotency-Key was used for another request before.")
    if row.request is None:
        raise Conflict("The first call with this Idempotency-Key is still being worked on.")
    return row.request
