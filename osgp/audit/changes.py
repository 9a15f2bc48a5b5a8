"""Changes of rows, told with what they were before: one place for the admin, the API and the command line.

Whoever saves or deletes a row of a *tracked* model on somebody's behalf leaves an entry, in the same
transaction. What the platform does by itself (nobody is acting, context.py) leaves none. Statements for many
rows (``QuerySet.update``) send no signals: who changes tracked models that way calls ``tell_change``.
"""

import re
from collections.abc import Iterable, Mapping
from functools import wraps
from math import isfinite
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from osgp.audit.context import find_actor
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent

SECRET = "changed"  # noqa: S105 (what stands in the place of one)
"""In the place of both values of a secret."""
LONGEST_VALUE = 1000
"""Characters of one value."""
MOST_NAMED = 100
"""Rows of a relation that are named."""

_SECRETS = re.compile(r"password|secret|key|digest|token|url|wrapped|data_key|ciphertext", re.IGNORECASE)
_PASSING = frozenset({"last_login", "updated_at", "last_used_at", "waiting_requests", "date_changed"})
"""Fields that follow from others, or that every use changes."""

_tracked: set[type[models.Model]] = set()
_events: dict[tuple[type[models.Model], AuditEvent], AuditEvent] = {}

Changes = Mapping[str, tuple[Any, Any]]
"""Values before and after, by field."""


def list_tracked() -> frozenset[type[models.Model]]:
    """Return the models whose changes are told."""
    return frozenset(_tracked)


def track(model: type[models.Model], events: Mapping[str, str] | None = None) -> None:
    """Tell of changes of a model from now on; ``events`` tells some of them by another name.

    Many-to-many relations are those of the model that has the field. Repeating it changes nothing.
    """
    for general, special in (events or {}).items():
        _events[model, AuditEvent(general)] = AuditEvent(special)
    if model in _tracked:
        return
    _tracked.add(model)
    _save_in_transactions(model)
    pre_save.connect(_before_save, sender=model, dispatch_uid=f"audit {model._meta.label}")
    post_save.connect(_after_save, sender=model, dispatch_uid=f"audit {model._meta.label}")
    post_delete.connect(_after_delete, sender=model, dispatch_uid=f"audit {model._meta.label}")
    for field in model._meta.local_many_to_many:
        through = field.remote_field.through
        m2m_changed.connect(_after_relation, sender=through, dispatch_uid=f"audit {model._meta.label}")


def tell_change(row: models.Model, changes: Changes, event: AuditEvent = AuditEvent.CHANGED) -> None:
    """Tell of a change that no signal tells of, in its transaction. Nothing if no value is another one."""
    told = {
        name: SECRET if _SECRETS.search(name) else [_show(before), _show(after)]
        for name, (before, after) in changes.items()
        if before != after
    }
    if told:
        tell(row, event, {"changes": told})


def _save_in_transactions(model: type[models.Model]) -> None:
    """Have rows saved in a transaction with their entry: Django sends ``post_save`` after its own."""
    save_base: Any = model.save_base

    @wraps(save_base)
    def save_in_transaction(self: models.Model, *args: Any, **options: Any) -> None:
        if find_actor() is None:
            save_base(self, *args, **options)
            return
        with transaction.atomic(savepoint=False):
            save_base(self, *args, **options)

    model.save_base = save_in_transaction  # type: ignore[method-assign]


def _before_save(sender: type[models.Model], instance: Any, raw: bool, **_: Any) -> None:
    instance._audit_before = None
    if not raw and not instance._state.adding and find_actor() is not None:
        before = sender._base_manager.filter(pk=instance.pk).first()
        instance._audit_before = None if before is None else _read(before)


def _after_save(
    sender: type[models.Model], instance: Any, created: bool, raw: bool, update_fields: Any, **_: Any
) -> None:
    if raw or find_actor() is None:
        return
    before = instance.__dict__.pop("_audit_before", None)
    after = _read(instance)
    if created or before is None:
        tell(instance, AuditEvent.ADDED, {"values": _hide(after)})
        return
    names = after.keys() if update_fields is None else after.keys() & _list_names(sender, update_fields)
    tell_change(instance, {name: (before[name], after[name]) for name in after if name in names})


def _list_names(model: type[models.Model], update_fields: Iterable[str]) -> set[str]:
    """Names of fields, which may be given by the names of their columns."""
    return {model._meta.get_field(name).name for name in update_fields}


def _after_delete(sender: type[models.Model], instance: Any, **_: Any) -> None:
    if find_actor() is not None:
        tell(instance, AuditEvent.DELETED, {"values": _hide(_read(instance))})


def _after_relation(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_: Any
) -> None:
    if action not in {"post_add", "post_remove", "post_clear"} or find_actor() is None:
        return
    if action != "post_clear" and not pk_set:
        return
    named = [str(row) for row in model._base_manager.filter(pk__in=sorted(pk_set or ())[:MOST_NAMED])]
    details: dict[str, Any] = {"relation": str(model._meta.verbose_name_plural), action[5:]: named}
    if len(pk_set or ()) > MOST_NAMED:
        details["number"] = len(pk_set)
    tell(instance, AuditEvent.CHANGED, details)


def tell(row: Any, event: AuditEvent, details: Mapping[str, Any]) -> None:
    """Tell what somebody did with a row, in its transaction; nothing if nobody is acting."""
    actor = find_actor()
    if actor is None:
        return
    record(
        _events.get((type(row), event), event),
        organisation=_find_organisation(row) or actor.organisation,
        device=_find_device(row),
        details={"kind": str(row._meta.verbose_name), "object": _name(row), "id": row.pk, **details},
    )


def _find_organisation(row: Any) -> str:
    """The organisation that a row belongs to, so that it sees what operators of the platform do with it."""
    if row._meta.label == "accounts.Organisation":
        return str(row.identification)
    organisation = getattr(row, "organisation", None)
    return str(getattr(organisation, "identification", ""))


def _find_device(row: Any) -> str:
    if row._meta.label == "devices.Device":
        return str(row.identification)
    return str(getattr(getattr(row, "device", None), "identification", ""))


def _name(row: Any) -> str:
    """What a row is called. The text of rows with a URL may be that URL, which may hold a secret."""
    if any(field.name == "url" for field in row._meta.concrete_fields):
        return str(getattr(row, "uid", row.pk))
    return str(row)[:LONGEST_VALUE]


def _read(row: Any) -> dict[str, Any]:
    return {
        field.name: _read_field(row, field)
        for field in row._meta.concrete_fields
        if not field.primary_key and field.name not in _PASSING
    }


def _read_field(row: Any, field: Any) -> Any:
    """The value; of what it refers to, how that is called."""
    value = field.value_from_object(row)
    # A value that the database computes is an expression until it is read again.
    if hasattr(value, "resolve_expression"):
        return None
    if field.is_relation and value is not None:
        try:
            return str(getattr(row, field.name))
        except ObjectDoesNotExist:  # It is gone: its key has to do.
            return value
    return value


def _hide(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a row that is new or gone, without secrets and what is empty."""
    return {
        name: SECRET if _SECRETS.search(name) else _show(value)
        for name, value in values.items()
        if value not in (None, "", [], {})
    }


def _show(value: Any) -> Any:
    """A value as it is told: as JSON, or else as text, and not too long."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, (bytes, memoryview)):
        return f"{len(value)} octets"
    if isinstance(value, Mapping):
        shown = {
            str(name): SECRET if _SECRETS.search(str(name)) else _show(item) for name, item in value.items()
        }
        return shown if len(str(shown)) <= LONGEST_VALUE else str(shown)[:LONGEST_VALUE]
    if isinstance(value, (list, tuple)):
        listed = [_show(item) for item in value]
        return listed if len(str(listed)) <= LONGEST_VALUE else str(listed)[:LONGEST_VALUE]
    return str(value)[:LONGEST_VALUE]
