"""The lines of the matrix for the admin: who may see the pages of each model, and what else there is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.tenants.rest_table import ALARM_READERS, EVERY_GROUP, MANAGERS, READERS

OWN = "own"
"""Users with an organisation see its rows."""
PLATFORM = "platform"
"""Closed to users with an organisation, whatever permissions they have."""

MODELS: dict[str, str] = {
    "accounts.ApiToken": OWN,
    "accounts.ApplicationKey": OWN,
    "accounts.Organisation": OWN,
    "accounts.User": PLATFORM,
    "alarms.Alarm": OWN,
    "alarms.AlarmGroup": OWN,
    "alarms.AlarmRule": OWN,
    "alarms.ReceivedPush": PLATFORM,
    "audit.AuditEntry": OWN,
    "auth.Group": PLATFORM,
    "batches.Batch": OWN,
    "batches.RecurringRequest": OWN,
    "completeness.DayTotal": OWN,
    "devices.Device": OWN,
    "devices.DeviceGroup": OWN,
    "devices.SharedSettings": PLATFORM,
    "django_celery_beat.ClockedSchedule": PLATFORM,
    "django_celery_beat.CrontabSchedule": PLATFORM,
    "django_celery_beat.IntervalSchedule": PLATFORM,
    "django_celery_beat.PeriodicTask": PLATFORM,
    "django_celery_beat.SolarSchedule": PLATFORM,
    "message_logs.MessageLog": OWN,
    "networks.Cell": PLATFORM,
    "networks.CommunicationNetwork": PLATFORM,
    "notifications.Delivery": OWN,
    "notifications.Endpoint": OWN,
    "processes.ProcessHeartbeat": PLATFORM,
    "readings.Series": OWN,
    "requests.MeterSession": OWN,
    "requests.Request": OWN,
    "system_notes.SystemNote": OWN,
}
PAGES_OF_ROWS = ("history", "delete", "change")

OPENED_BY = {
    "alarms.Alarm": ALARM_READERS,
    "devices.Device": EVERY_GROUP,
    "message_logs.MessageLog": MANAGERS,
    "readings.Series": READERS,
    "requests.MeterSession": EVERY_GROUP,
    "system_notes.SystemNote": EVERY_GROUP,
}
"""Who has one of these function groups on a device sees its rows; rows of other models are not shared."""
NO_PAGE = {"message_logs.MessageLog"}
"""Models whose rows have no page, for anybody: they are shown together."""
NEW = "Xw9-xw9-xw9"
CRON = "0 0 * * *"


class Extra(NamedTuple):
    """A page of a row that is not one of Django's, by the name of its URL."""

    model: str
    """Whose primary key it is asked with."""
    posted: Mapping[str, Any]
    rest: tuple[Any, ...] = ()
    """What its address has besides."""


EXTRAS: dict[str, Extra] = {
    "auth_user_password_change": Extra("accounts.User", {"password1": NEW, "password2": NEW}),
    "notifications_endpoint_edit": Extra("notifications.Endpoint", {"url": "https://taken.example/"}),
    "notifications_endpoint_rotate": Extra("notifications.Endpoint", {"overlap_hours": "0"}),
    "notifications_endpoint_replay": Extra(
        "notifications.Endpoint",
        {"from": "2020-01-01 00:00:00", "until": "2090-01-01 00:00:00", "states": "FAILED"},
    ),
    "batches_recurringrequest_edit": Extra("batches.RecurringRequest", {"name": "taken", "cron": CRON}),
    "alarms_alarmrule_edit": Extra("alarms.AlarmRule", {"name": "taken", "alarm_type": "POWER_UP"}),
    "devices_device_forget": Extra("devices.Device", {}),
    "message_logs_messagelog_device": Extra("devices.Device", {}),
    "readings_device": Extra("devices.Device", {}),
    "requests_request_probe": Extra("devices.Device", {}),
    "requests_request_apply": Extra("requests.Request", {}),
    "requests_request_result": Extra("requests.Request", {}, (0, "result")),
}

SITE: dict[str, str] = {
    "admin/": "the overview",
    "admin/live/": "what goes on",
    "admin/live/panels/": "what goes on, drawn anew",
    "admin/login/": "asks for a password",
    "admin/logout/": "takes POST only",
    "admin/password_change/": "of one's own",
    "admin/password_change/done/": "of one's own",
    "admin/autocomplete/": "has a test of its own",
    "admin/jsi18n/": "texts of Django",
    "admin/r/<path:content_type_id>/<path:object_id>/": "leads to pages of the site outside of the admin",
    "admin/^(?P<app_label>": "the models of an app",
    "admin/(?P<url>.*)$": "nothing",
}
"""Pages of no model. Of regular expressions, how they begin."""


def list_posts(names: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, Any]:
    """What somebody would post by hand to make a row about what belongs to others, for all forms at once."""
    group, meter = keys["devices.DeviceGroup"], keys["devices.Device"]
    return {
        "organisation": keys["accounts.Organisation"],
        "on_behalf_of": keys["accounts.Organisation"],
        "device": meter,
        "group": group,
        "devices": names["meter"],
        "device_identification": names["meter"],
        "add_devices": names["meter"],
        "identification": names["meter"],
        "name": "by hand",
        "application": "by hand",
        "scopes": ["read"],
        "public_key": names["public_key"],
        "url": "https://taken.example/",
        "alarm_type": "POWER_UP",
        "kind": "cron",
        "cron": CRON,
        "chosen": [meter],
        "comment": "by hand",
    }


def list_queries(names: Mapping[str, str], keys: Mapping[str, str]) -> list[dict[str, str]]:
    """Filters and searches of lists that name what belongs to others; lists refuse those that they lack."""
    return [
        {"q": names["meter"]},
        {"q": names["subject"]},
        {"q": names["organisation"].lower()},
        {"organisation": keys["accounts.Organisation"]},
        {"organisation": names["organisation"]},
        {"batch": names["batch"]},
        {"group": keys["alarms.AlarmGroup"], "state": "all"},
        {"group__exact": keys["devices.DeviceGroup"]},
        {"recurring__exact": keys["batches.RecurringRequest"]},
        {"endpoint": keys["notifications.Endpoint"]},
        {"device": names["meter"]},
        {"device": keys["devices.Device"]},
        {"device__identification": names["meter"]},
        {"firmware": names["firmware"]},
        {"state": "ALL", "status": "all"},
    ]
