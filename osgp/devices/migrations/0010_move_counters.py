"""Invocation counters move from devices to their encryption keys. Needs the key-encryption keys."""

import hmac
import os
from collections.abc import Iterator
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from osgp.devices import envelope
from osgp.devices.envelope import SealedSecret, UnsealError

ENCRYPTION_KEY = "E_METER_ENCRYPTION_KEY_UNICAST"
AT_A_TIME = 1000
OF_FORMER_KEYS = 1_000_000
"""How much higher counters of keys begin that were replaced: how far they were used was not kept."""


def move(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Raises UnsealError when the keys of an installation cannot be read: nothing changes then."""
    keys = apps.get_model("devices", "DeviceKey")
    rows = keys.objects.filter(key_type=ENCRYPTION_KEY).select_related("device").order_by("pk")
    if not rows.exists():
        return
    fingerprint_key, secret = _make_fingerprint_key(apps)
    for several in _list_slices(rows):
        _move(apps, fingerprint_key, secret, several)


def _move(apps: Apps, fingerprint_key: Any, secret: bytes, rows: list[Any]) -> None:
    counters = apps.get_model("devices", "KeyCounter")
    values: dict[str, int | None] = {}
    of_rows: dict[str, list[Any]] = {}
    for row in rows:
        fingerprint = _find_fingerprint(secret, row)
        if fingerprint is None:
            continue
        value = row.device.invocation_counter
        if row.state != "ACTIVE" and value is not None:
            value = min(value + OF_FORMER_KEYS, 2**32)
        if value is not None:
            values[fingerprint] = max(value, values.get(fingerprint) or 0)
        else:
            values.setdefault(fingerprint, None)
        of_rows.setdefault(fingerprint, []).append(row)
    found = list(counters.objects.filter(fingerprint__in=values))
    for counter in found:
        value = values.pop(counter.fingerprint)
        if value is not None and value > (-1 if counter.next_value is None else counter.next_value):
            counter.next_value = value
            counter.save(update_fields=["next_value"])
    new = [
        counters(fingerprint=fingerprint, fingerprint_key=fingerprint_key, next_value=value)
        for fingerprint, value in values.items()
    ]
    for counter in [*found, *counters.objects.bulk_create(new)]:
        for row in of_rows[counter.fingerprint]:
            row.counter = counter
    changed = [row for several in of_rows.values() for row in several]
    apps.get_model("devices", "DeviceKey").objects.bulk_update(changed, ["counter"], batch_size=500)


def _find_fingerprint(secret: bytes, row: Any) -> str | None:
    """Return the fingerprint of a key; None for one that can never be used again, because it is damaged."""
    sealed = SealedSecret(row.key_encryption_key_id, bytes(row.wrapped_data_key), bytes(row.ciphertext))
    try:
        key = envelope.unseal(sealed, f"osgp device key 1|{row.device_id}|{row.key_type}".encode())
    except UnsealError:
        envelope.load_key_encryption_keys().get_key(row.key_encryption_key_id)
        return None
    return hmac.digest(secret, key, "sha256").hex()


def _make_fingerprint_key(apps: Apps) -> tuple[Any, bytes]:
    secret = os.urandom(32)
    sealed = envelope.seal(secret, b"osgp fingerprint key 1")
    row = apps.get_model("devices", "FingerprintKey").objects.create(
        pk=1,
        key_encryption_key_id=sealed.key_encryption_key_id,
        wrapped_data_key=sealed.wrapped_data_key,
        ciphertext=sealed.ciphertext,
    )
    return row, secret


def _list_slices(rows: Any) -> Iterator[list[Any]]:
    last = 0
    while several := list(rows.filter(pk__gt=last)[:AT_A_TIME]):
        yield several
        last = several[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0009_counters_of_keys"),
    ]

    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
