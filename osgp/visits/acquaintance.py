"""What was learned of meters, kept between visits: read with a visit, and stored when it has changed.

Meters of one type learn the same. So the content is a row of its own, found by its digest, and shared; a
process keeps the latest ones decoded. With the device are its digest and when it was asked for what.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.db import transaction

from osgp import platform_time
from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.models import Device, MeterKnowledge
from osgp.messages.knowledge import Knowledge
from osgp.protocol_dlms import Data, Meter, axdr, errors
from osgp.requests.work import WorkMeter
from osgp.sql import Statement
from osgp.visits.counter import InLane

logger = logging.getLogger(__name__)

LARGEST_CONTENT = 32 * 1024
"""Octets of a content in JSON; that of a meter of which all is read has some 3 KiB."""
CONTENTS_IN_MEMORY = 256
"""A content takes some 40 times its octets once decoded: contents of hostile meters take 300 MB at most."""
MOST_GROUPS = 100
"""Groups whose last check is kept, the latest ones."""
MOST_HABITS = 100
LONGEST_NAME = 100
"""Characters of a name of a group, and of a habit and its value."""
LIST_SIZE = "with_list_max"
"""The habit of how many attributes the meter takes in a list."""
TRIES = 3
LISTS_TRIED_AFTER = timedelta(days=30)
"""When longer lists are tried again: they may have failed for a reason that has passed."""


class Content(NamedTuple):
    """What is shared by meters that have learned the same. Never changed."""

    descriptions: Mapping[AttributeDescriptor, Data | None]
    habits: Mapping[str, str]


# --- The start of a visit ---------------------------------------------------------------------------------


def load(meter: WorkMeter) -> Knowledge:
    """Return what is known of a meter. Queries if this process has not seen that content lately."""
    if meter.knowledge_digest is None:
        return Knowledge()
    try:
        content = _load_content(meter.knowledge_digest)
    except MeterKnowledge.DoesNotExist:
        return Knowledge()
    return Knowledge(dict(content.descriptions), parse_checked(meter.knowledge_checked), dict(content.habits))


@lru_cache(maxsize=CONTENTS_IN_MEMORY)
def _load_content(digest: str) -> Content:
    """Contents are found by their digest, so what is remembered stays right. Raises DoesNotExist."""
    return parse_content(MeterKnowledge.objects.values_list("content", flat=True).get(digest=digest))


def parse_content(stored: Mapping[str, Any]) -> Content:
    """Return a stored content, without what cannot be read."""
    descriptions: dict[AttributeDescriptor, Data | None] = {}
    for name, octets in stored["descriptions"].items():
        try:
            attribute = _parse_attribute(name)
            descriptions[attribute] = None if octets is None else axdr.decode(bytes.fromhex(octets))
        except (ValueError, errors.DecodeError):
            logger.warning("A stored description of %s cannot be read.", name[:40])
    return Content(descriptions, dict(stored["habits"]))


def _parse_attribute(name: str) -> AttributeDescriptor:
    class_id, code, attribute_id = name.split("/")
    return AttributeDescriptor(int(class_id), obis.parse(code), int(attribute_id))


def parse_checked(stored: str | None) -> dict[str, datetime]:
    """Return when each group was asked for, from the text of a JSON column."""
    texts: dict[str, str] = (json.loads(stored) if stored else None) or {}
    return {group: datetime.fromisoformat(text) for group, text in texts.items()}


def limit_list(knowledge: Knowledge, with_list_max: int) -> int:
    """Return how many attributes to ask for at once: no more than what was found to work lately."""
    learned = knowledge.find_habit(LIST_SIZE) or ""
    if not learned.isdecimal() or not _is_recent(knowledge):
        return with_list_max
    return min(with_list_max, int(learned))


def _is_recent(knowledge: Knowledge) -> bool:
    found_at = knowledge.checked.get(LIST_SIZE)
    return found_at is not None and found_at > platform_time.now() - LISTS_TRIED_AFTER


# --- The end of a visit -----------------------------------------------------------------------------------


def learn_list_size(knowledge: Knowledge, meter: Meter) -> None:
    """Keep the list size that was found to work in an association, if one was; forget one of long ago."""
    if (size := meter.list_size_learned) is not None:
        knowledge.learn_habit(LIST_SIZE, str(size))
        knowledge.checked[LIST_SIZE] = platform_time.now()
        knowledge.is_changed = True
    elif not _is_recent(knowledge):
        knowledge.learn_habit(LIST_SIZE, None)


def keep(meter: WorkMeter, knowledge: Knowledge, run: InLane) -> None:
    """Store what is known if it has changed. Never fails: it is learned again. ``run`` calls in a lane."""
    if not knowledge.is_changed:
        return
    try:
        content = represent(knowledge, meter.identification)
        checked = represent_checked(knowledge.checked)
        run(partial(_store, meter, content, checked))
        knowledge.is_changed = False
    except Exception:
        logger.warning("What was learned of %s was not stored.", meter.identification, exc_info=True)


def represent(knowledge: Knowledge, whose: str) -> dict[str, Any]:
    """Return the content as JSON, of at most LARGEST_CONTENT octets; leave out the largest descriptions."""
    habits = {
        name: value
        for name, value in sorted(knowledge.habits.items())[:MOST_HABITS]
        if max(len(name), len(value)) <= LONGEST_NAME
    }
    descriptions: dict[str, str | None] = {}
    for attribute, data in knowledge.descriptions.items():
        try:
            descriptions[str(attribute)] = None if data is None else axdr.encode(data).hex()
        except errors.EncodeError:
            logger.warning("What %s says of %s cannot be kept.", whose, attribute)
    content = {"descriptions": descriptions, "habits": habits}
    excess = len(_write(content)) - LARGEST_CONTENT
    if excess > 0:
        logger.warning("What was learned of %s is too much to keep all of it.", whose)
        for name in sorted(descriptions, key=lambda each: len(descriptions[each] or ""), reverse=True):
            if excess <= 0:
                break
            excess -= len(descriptions.pop(name) or "null") + len(name)
    return content


def represent_checked(checked: Mapping[str, datetime]) -> dict[str, str]:
    """Return when each group was asked for as JSON."""
    latest = sorted(checked.items(), key=lambda each: each[1], reverse=True)[:MOST_GROUPS]
    return {
        group: moment.astimezone(UTC).isoformat(timespec="seconds")
        for group, moment in latest
        if len(group) <= LONGEST_NAME
    }


def _write(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def make_digest(content: Mapping[str, Any]) -> str:
    """Return the digest of a content, the same whatever the order in which it was learned."""
    return hashlib.sha256(_write(content)).hexdigest()[:32]


_HOLD = Statement(f"SELECT 1 FROM {MeterKnowledge._meta.db_table} WHERE digest = %s {{locked}}")  # noqa: S608


@transaction.atomic
def _store(meter: WorkMeter, content: Mapping[str, Any], checked: Mapping[str, str]) -> None:
    digest = make_digest(content)
    changes: dict[str, Any] = {"knowledge_checked": dict(checked)}
    if digest != meter.knowledge_digest:
        _ensure_content(digest, content)
        changes["knowledge"] = digest
    Device.objects.filter(pk=meter.pk).update(**changes)


def _ensure_content(digest: str, content: Mapping[str, Any]) -> None:
    """Have a row with this content, which nobody deletes before the end of the transaction.

    Many workers may insert the same at once, and a row that no device refers to may be deleted meanwhile.
    """
    for _ in range(TRIES):
        if _HOLD.fetch_rows(digest):
            return
        MeterKnowledge.objects.bulk_create(
            [MeterKnowledge(digest=digest, content=dict(content))], ignore_conflicts=True
        )
