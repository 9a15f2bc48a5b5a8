"""Has the admin site know all operators' pages: Django imports this module at start-up."""

from osgp.pages import (
    accounts,
    alarms,
    application_keys,
    audit,
    batches,
    devices,
    message_logs,
    networks,
    notifications,
    processes,
    readings,
    requests,
)

__all__ = [
    "accounts",
    "alarms",
    "application_keys",
    "audit",
    "batches",
    "devices",
    "message_logs",
    "networks",
    "notifications",
    "processes",
    "readings",
    "requests",
]
