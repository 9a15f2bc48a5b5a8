"""``settings.OSGP``: what is the platform's own, as the environment has it."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from osgp.environment import read_flag, read_list
from osgp.sharing_settings import make_sharing_settings

IS_EMBEDDED = read_flag("OSGP_EMBEDDED")
"""SQLite, the in-process broker, and keys and secrets that are generated below ``var/``: `make run` asks for
it. Nothing else makes it so."""

PLATFORM: dict[str, Any] = {
    # Attempts per request, the first included; waits of RETRY_DELAY x 2^n with jitter between them.
    "MAX_ATTEMPTS": int(os.environ.get("OSGP_MAX_ATTEMPTS", "3")),
    "RETRY_DELAY": timedelta(seconds=float(os.environ.get("OSGP_RETRY_DELAY_SECONDS", "30"))),
    # A request whose worker died this often is not tried again: it is probably what kills them.
    "MAX_CRASHES": 3,
    # How long a worker may be silent before its meters are given to another one.
    "SESSION_LEASE": timedelta(seconds=float(os.environ.get("OSGP_SESSION_LEASE_SECONDS", "45"))),
    # An opened session that nobody claimed within this time has lost its hint: it is published again.
    "HINT_TIMEOUT": timedelta(seconds=float(os.environ.get("OSGP_HINT_TIMEOUT_SECONDS", "10"))),
    # Sessions opened but not yet claimed: short, so that a high priority has little to overtake, and so that
    # the one worker of the embedded default claims them before they run out.
    "DISPATCH_AHEAD": int(os.environ.get("OSGP_DISPATCH_AHEAD", "100" if IS_EMBEDDED else "500")),
    "DISPATCH_INTERVAL": timedelta(seconds=float(os.environ.get("OSGP_DISPATCH_INTERVAL_SECONDS", "1"))),
    **make_sharing_settings(),
    # Database connections of a worker process, however many visits it has in flight.
    "DATABASE_LANES": int(os.environ.get("OSGP_DATABASE_LANES", "8")),
    # Whether PostgreSQL is to keep the plans of the statements that every visit needs. Not behind a pooler
    # that gives each transaction another connection.
    "PREPARED_STATEMENTS": read_flag("OSGP_PREPARED_STATEMENTS", default=True),
    # SIGTERM: how long a worker may take to finish or hand back what is in flight.
    "STOP_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_STOP_DEADLINE_SECONDS", "60"))),
    # A worker or dispatcher without progress for this long ends itself, to be started anew.
    "WATCHDOG_LIMIT": timedelta(seconds=float(os.environ.get("OSGP_WATCHDOG_LIMIT_SECONDS", "300"))),
    # Touched every second by a worker or dispatcher that makes progress.
    "HEARTBEAT_FILE": (
        Path(os.environ["OSGP_HEARTBEAT_FILE"]) if os.environ.get("OSGP_HEARTBEAT_FILE") else None
    ),
    # Requests taken into one visit to a meter.
    "VISIT_REQUEST_LIMIT": 500,
    "VISIT_DEADLINE": timedelta(minutes=9),
    "CONNECT_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_CONNECT_DEADLINE_SECONDS", "15"))),
    "NAME_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_NAME_DEADLINE_SECONDS", "5"))),
    "APDU_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_APDU_DEADLINE_SECONDS", "30"))),
    # The largest result of one action, and of all actions of a bundle together, as JSON
    # (osgp/visits/result_limits.py).
    "RESULT_MIB": int(os.environ.get("OSGP_RESULT_MIB", "4")),
    "REQUEST_RESULTS_MIB": int(os.environ.get("OSGP_REQUEST_RESULTS_MIB", "64")),
    # How long final requests, with their results, and closed sessions are kept. Deleting one earlier is the
    # caller's choice.
    "RETENTION": timedelta(days=float(os.environ.get("OSGP_RETENTION_DAYS", "7"))),
    # How long notes of the platform are kept once they are over, and those of what happened once.
    "SYSTEM_NOTE_RETENTION": timedelta(days=float(os.environ.get("OSGP_SYSTEM_NOTE_RETENTION_DAYS", "30"))),
    # How long events for applications, the deliveries of webhooks, alarms and raw pushes are kept.
    "EVENT_RETENTION": timedelta(days=float(os.environ.get("OSGP_EVENT_RETENTION_DAYS", "3"))),
    "DELIVERY_RETENTION": timedelta(days=float(os.environ.get("OSGP_DELIVERY_RETENTION_DAYS", "14"))),
    "ALARM_RETENTION": timedelta(days=float(os.environ.get("OSGP_ALARM_RETENTION_DAYS", "400"))),
    "PUSH_RETENTION": timedelta(days=float(os.environ.get("OSGP_PUSH_RETENTION_DAYS", "14"))),
    # The audit trail: how long entries are kept (None, in the environment 0, keeps all), files with keys of
    # its hash chain, the current one first, and where sealed entries are sent on (docs/how-to/audit.md).
    "AUDIT_RETENTION": timedelta(days=float(os.environ.get("OSGP_AUDIT_RETENTION_DAYS", "1096"))) or None,
    "AUDIT_KEY_FILES": os.environ.get("OSGP_AUDIT_KEY_FILES", ""),
    "AUDIT_SYSLOG": os.environ.get("OSGP_AUDIT_SYSLOG", ""),
    # How long the numbers of requests per hour are kept.
    "ROLLUP_RETENTION": timedelta(days=float(os.environ.get("OSGP_ROLLUP_RETENTION_DAYS", "400"))),
    # How long EnableDebugging lasts by default, and how long its logs are kept.
    "DEBUGGING_TIME": timedelta(hours=float(os.environ.get("OSGP_DEBUGGING_HOURS", "24"))),
    "MESSAGE_LOG_RETENTION": timedelta(days=float(os.environ.get("OSGP_MESSAGE_LOG_RETENTION_DAYS", "7"))),
    # A value that was received this long after its interval's end is late.
    "READINGS_LATE_AFTER": timedelta(hours=float(os.environ.get("OSGP_READINGS_LATE_AFTER_HOURS", "48"))),
    # Days back for which completeness is kept up; earlier ones keep the counts that they had.
    "READINGS_COUNTED_DAYS": timedelta(days=int(os.environ.get("OSGP_READINGS_COUNTED_DAYS", "14"))),
    # How long readings are kept; whole months are forgotten. None, in the environment 0, keeps all.
    "READINGS_RETENTION": timedelta(days=float(os.environ.get("OSGP_READINGS_RETENTION_DAYS", "1827")))
    or None,
    # Occurrences of schedules that passed while the platform was down: "last" makes up for the
    # latest of each, "all" for all of them, "none" for none.
    "MISSED_OCCURRENCES": os.environ.get("OSGP_MISSED_OCCURRENCES", "last"),
    # Invocation counter values taken from the database at a time.
    "INVOCATION_COUNTER_BLOCK": 64,
    # From this value on, the counter of a key is told to be nearly used up (it ends at 2^32).
    "INVOCATION_COUNTER_THRESHOLD": int(os.environ.get("OSGP_INVOCATION_COUNTER_THRESHOLD", "2000000000")),
    # How far counters are raised after a restore of the database: more than one key can have been used since
    # the backup. A visit takes one block as a rule, so this is enough for 15,000 visits.
    "COUNTER_LEAP": int(os.environ.get("OSGP_COUNTER_LEAP", "1000000")),
    # Where meters are dialled, and where never though it lies there (osgp/devices/meter_networks.py).
    "METER_NETWORKS": read_list(
        "OSGP_METER_NETWORKS", "0.0.0.0/0,::/0" + (",127.0.0.0/8,::1/128" if IS_EMBEDDED else "")
    ),
    "NEVER_DIALLED": read_list("OSGP_NEVER_DIALLED"),
    # Where meters may announce that they are: CIDR, none by default (osgp/visits/addressing.py).
    "WAKE_UP_NETWORKS": read_list("OSGP_WAKE_UP_NETWORKS"),
    # Pushes of unknown senders that are kept per address from which they came.
    "KEPT_STRANGE_PUSHES": int(os.environ.get("OSGP_KEPT_STRANGE_PUSHES", "100")),
    # The push listener (docs/how-to/pushes.md). Where it keeps pushes while the database is away, by default
    # push-spool in VAR_DIR, and at most how much of them; not shared with another listener.
    "PUSH_SPOOL_DIR": os.environ.get("OSGP_PUSH_SPOOL_DIR", ""),
    "PUSH_SPOOL_MIB": int(os.environ.get("OSGP_PUSH_SPOOL_MIB", "1024")),
    # Connections in all and from one address; a gateway may stand for thousands of meters.
    "PUSH_CONNECTIONS": int(os.environ.get("OSGP_PUSH_CONNECTIONS", "10000")),
    "PUSH_CONNECTIONS_PER_SOURCE": int(os.environ.get("OSGP_PUSH_CONNECTIONS_PER_SOURCE", "5000")),
    # After how long a connection is closed of which all is kept: meters take it for the acknowledgement.
    "PUSH_QUIET": timedelta(seconds=float(os.environ.get("OSGP_PUSH_QUIET_SECONDS", "1"))),
    # How long one message, and a connection without any, may take; and how long a connection may last.
    "PUSH_MESSAGE_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_PUSH_MESSAGE_SECONDS", "60"))),
    "PUSH_CONNECTION_DEADLINE": timedelta(
        seconds=float(os.environ.get("OSGP_PUSH_CONNECTION_SECONDS", "3600"))
    ),
    # Unfinished messages in memory, and as much of those that wait to be stored.
    "PUSH_MEMORY_MIB": int(os.environ.get("OSGP_PUSH_MEMORY_MIB", "64")),
    # Pushes per second and source address, and those of sources whose pushes are of unknown senders.
    "PUSH_RATE": float(os.environ.get("OSGP_PUSH_RATE", "5000")),
    "PUSH_UNKNOWN_RATE": float(os.environ.get("OSGP_PUSH_UNKNOWN_RATE", "1")),
    # Bad pushes per source address and hour that are kept to be looked at; the others are counted.
    "PUSH_BAD_KEPT": int(os.environ.get("OSGP_PUSH_BAD_KEPT", "20")),
    # What the kernel is asked to hold of datagrams that have not been read.
    "PUSH_RECEIVE_BUFFER_MIB": int(os.environ.get("OSGP_PUSH_RECEIVE_BUFFER_MIB", "8")),
    # API calls per process that may be held with `Prefer: wait` at a time: each keeps a thread.
    "WAITING_CALLS": int(os.environ.get("OSGP_WAITING_CALLS", "4")),
    # Who may listen to events at a time: in one process, and of one organisation in that process.
    "STREAM_LISTENERS": int(os.environ.get("OSGP_STREAM_LISTENERS", "5000")),
    "STREAM_LISTENERS_PER_ORGANISATION": int(
        os.environ.get("OSGP_STREAM_LISTENERS_PER_ORGANISATION", "1000")
    ),
    # Proxies in front of the web application whose word is taken for who calls, how, and by which name.
    "TRUSTED_PROXIES": read_list("OSGP_TRUSTED_PROXIES", "127.0.0.0/8,::1/128"),
    # Who may read /metrics: callers with the token, and direct ones (not through a proxy) from these
    # networks.
    "METRICS_TOKEN": os.environ.get("OSGP_METRICS_TOKEN", ""),
    "METRICS_NETWORKS": read_list("OSGP_METRICS_NETWORKS", "127.0.0.0/8,::1/128"),
    # The system title with which meters are called, 16 hexadecimal digits; one that the installation made for
    # itself unless given (osgp/devices/system_title.py).
    "CLIENT_SYSTEM_TITLE": os.environ.get("OSGP_CLIENT_SYSTEM_TITLE", ""),
    "KEY_ENCRYPTION_KEYS": os.environ.get("OSGP_KEY_ENCRYPTION_KEYS", ""),
    # Files separated by commas, the current key first (osgp/devices/platform_keys.py).
    "RSA_PRIVATE_KEY_FILE": os.environ.get("OSGP_RSA_PRIVATE_KEY_FILE", ""),
    "RSA_PUBLIC_KEY_FILE": os.environ.get("OSGP_RSA_PUBLIC_KEY_FILE", ""),
    # The second place of new keys: both or neither (osgp/devices/key_escrow.py).
    "KEY_ESCROW_PUBLIC_KEY_FILE": os.environ.get("OSGP_KEY_ESCROW_PUBLIC_KEY_FILE", ""),
    "KEY_ESCROW_DIRECTORY": os.environ.get("OSGP_KEY_ESCROW_DIRECTORY", ""),
    # How long EXPIRED and WITHDRAWN keys are kept.
    "KEY_RETENTION": timedelta(days=float(os.environ.get("OSGP_KEY_RETENTION_DAYS", "365"))),
    # Webhooks (docs/how-to/notifications.md). Their secrets have keys of their own: the web application and
    # notifiers, which need them, have none that open keys of meters.
    "WEBHOOK_KEYS": os.environ.get("OSGP_WEBHOOK_KEYS", ""),
    # Networks beside the public ones that may be dialled, and whether without TLS.
    "WEBHOOK_ALLOWED_NETWORKS": read_list(
        "OSGP_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128" if IS_EMBEDDED else ""
    ),
    "WEBHOOK_ALLOW_HTTP": read_flag("OSGP_WEBHOOK_ALLOW_HTTP", default=IS_EMBEDDED),
    # Certificates (PEM) that receivers are trusted by beside those of the system.
    "WEBHOOK_CA_FILE": os.environ.get("OSGP_WEBHOOK_CA_FILE", ""),
    "WEBHOOK_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_WEBHOOK_DEADLINE_SECONDS", "10"))),
    # How long a notifier may be silent before its deliveries are given to another one.
    "WEBHOOK_LEASE": timedelta(seconds=float(os.environ.get("OSGP_WEBHOOK_LEASE_SECONDS", "60"))),
    # Endpoints that are sent to at the same time, by all notifiers together.
    "WEBHOOK_SLOTS": int(os.environ.get("OSGP_WEBHOOK_SLOTS", "4" if IS_EMBEDDED else "1000")),
    # Consecutive failures after which an endpoint is tried with one delivery at a time, ever more rarely.
    "WEBHOOK_CIRCUIT_FAILURES": int(os.environ.get("OSGP_WEBHOOK_CIRCUIT_FAILURES", "5")),
    # Endpoints that an organisation may register.
    "WEBHOOK_MOST_ENDPOINTS": int(os.environ.get("OSGP_WEBHOOK_MOST_ENDPOINTS", "50")),
    "LOCAL_SECRETS": IS_EMBEDDED or read_flag("OSGP_LOCAL_SECRETS"),
}
