"""Storing what became of pushes, and keeping no more of those that were no good than helps."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from osgp.alarms.doubles import compute_digest
from osgp.alarms.findings import Finding
from osgp.alarms.models import PushOutcome, ReceivedPush
from osgp.sql import write_now

logger = logging.getLogger(__name__)

GOOD = frozenset({PushOutcome.ALARM, PushOutcome.READINGS, PushOutcome.VALUES, PushOutcome.ADDRESS})

_ROWS = {
    "postgresql": """
        json_to_recordset(%s::json) AS said(
            id bigint, outcome text, device_id bigint, is_verified boolean, is_counted boolean, details jsonb,
            digest bigint)
        """,
    "sqlite": """
        (SELECT value ->> 'id' AS id, value ->> 'outcome' AS outcome, value ->> 'device_id' AS device_id,
                value ->> 'is_verified' AS is_verified, value ->> 'is_counted' AS is_counted,
                value -> 'details' AS details, value ->> 'digest' AS digest
           FROM json_each(%s)) AS said
        """,
}
_TABLE = ReceivedPush._meta.db_table
_STORE = f"""
    UPDATE {_TABLE}
       SET outcome = said.outcome, device_id = said.device_id, is_verified = said.is_verified,
           is_counted = said.is_counted, details = said.details, digest = said.digest,
           decoded_at = {{now}}
      FROM {{rows}}
     WHERE {_TABLE}.id = said.id
    """  # noqa: S608 (table name)


def keep(findings: Sequence[Finding]) -> None:
    """Store outcomes in one statement; forget those of strangers beyond a number per address."""
    rows: list[dict[str, Any]] = [
        {
            "id": finding.push.pk,
            "outcome": finding.outcome,
            "device_id": None if finding.device is None else finding.device.pk,
            "is_verified": finding.is_verified,
            "is_counted": finding.is_counted,
            "details": finding.details,
            "digest": _find_digest(finding),
        }
        for finding in findings
    ]
    vendor = connection.vendor
    with connection.cursor() as cursor:
        cursor.execute(_STORE.format(rows=_ROWS[vendor], now=write_now(vendor)), [json.dumps(rows)])
    strangers = Counter(
        finding.push.source_address for finding in findings if finding.outcome == PushOutcome.UNKNOWN_SENDER
    )
    for address, number in strangers.items():
        logger.warning("%d pushes of unknown senders from %s", number, address)
        _forget_beyond(address, settings.OSGP["KEPT_STRANGE_PUSHES"])


def _find_digest(finding: Finding) -> int | None:
    """Authentic pushes have a number that is proven, by which their like is found."""
    if finding.outcome not in GOOD or finding.is_verified:
        return None
    return compute_digest(finding.push, is_numbered="invocation_counter" in finding.details)


def _forget_beyond(address: str, most: int) -> None:
    """Forget all but the ``most`` latest pushes of unknown senders from an address."""
    strange = ReceivedPush.objects.filter(
        outcome=PushOutcome.UNKNOWN_SENDER, source_address=address
    ).order_by("-pk")
    last_kept = strange.values_list("pk", flat=True)[most - 1 : most].first()
    if last_kept is not None:
        # Without their octets, which deleting would load.
        strange.filter(pk__lt=last_kept).order_by().only("pk").delete()
