"""Settings. Everything that differs between a laptop and production comes from the environment.

With nothing set this is the embedded default: SQLite, the in-process broker and generated keys, all below
``var/``. Production sets ``DATABASE_URL``, ``BROKER_URL``, ``SECRET_KEY`` and ``ALLOWED_HOSTS``, for the web
application ``OSGP_RSA_PUBLIC_KEY_FILE``, and for workers ``OSGP_KEY_ENCRYPTION_KEYS`` and
``OSGP_RSA_PRIVATE_KEY_FILE`` (docs/how-to/run-in-production.md).
"""

import os
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue

from osgp.database_settings import make_database_settings
from osgp.environment import read_flag, read_list
from osgp.sharing_settings import make_sharing_settings

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("OSGP_VAR_DIR", BASE_DIR / "var"))


DEBUG = read_flag("DEBUG")
EMBEDDED = "DATABASE_URL" not in os.environ
"""True when nobody configured a database: keys and secrets may then be generated below ``var/``."""

SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    from osgp.local_secrets import find_or_make_secret

    SECRET_KEY = find_or_make_secret(
        VAR_DIR, "django-secret-key", allowed=EMBEDDED or read_flag("OSGP_LOCAL_SECRETS")
    )

ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "osgp.processes",
    "osgp.networks",
    "osgp.devices",
    "osgp.accounts",
    "osgp.firmware",
    "osgp.device_groups",
    "osgp.events",
    "osgp.system_notes",
    "osgp.audit",
    "osgp.batches",
    "osgp.requests",
    "osgp.readings",
    "osgp.message_logs",
    "osgp.metrics",
    "osgp.visits",
    "osgp.adhoc",
    "osgp.configuration",
    "osgp.installation",
    "osgp.management",
    "osgp.monitoring",
    "osgp.bundle",
    "osgp.notifications",
    "osgp.alarms",
    "osgp.fleet",
    "osgp.completeness",
    "osgp.pages",
    "osgp.commands",
    "osgp.pages.site_config.HeadEndAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "osgp.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "osgp.urls"
WSGI_APPLICATION = "osgp.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Database ------------------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": make_database_settings(
        os.environ.get("DATABASE_URL", f"sqlite:///{VAR_DIR / 'osgp.sqlite3'}"),
        VAR_DIR,
        idle_transaction=float(os.environ.get("OSGP_IDLE_TRANSACTION_SECONDS", "30")),
        # No limit by default: only callers of the web application choose the filters of queries, see wsgi.py.
        statement=float(os.environ.get("OSGP_STATEMENT_SECONDS", "0")),
    )
}

# --- Celery --------------------------------------------------------------------------------------------

CELERY_BROKER_URL = os.environ.get("BROKER_URL", "memory://localhost")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 10
# No AMQP heartbeats: with them, Celery 5.7 pauses 0.1 s after every message under gevent (worker/loops.py,
# _quick_drain). The kernel watches the connection instead, and gives it up after a minute of silence.
CELERY_BROKER_HEARTBEAT = 0
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.02}
    if CELERY_BROKER_URL.startswith("memory:")
    else {
        "confirm_publish": True,
        "socket_settings": {
            socket.TCP_NODELAY: 1,
            socket.TCP_KEEPIDLE: 30,
            socket.TCP_KEEPINTVL: 10,
            socket.TCP_KEEPCNT: 3,
            socket.TCP_USER_TIMEOUT: 60_000,
        },
    }
)
CELERY_TASK_DEFAULT_QUEUE = "system"
CELERY_TASK_DEFAULT_PRIORITY = 4
# RabbitMQ: classic queues have priorities when declared so. Quorum queues, replicated, have strict ones from
# RabbitMQ 4.3 on without a declaration. A queue that exists keeps its kind: delete it to change that.
_METER_QUEUE_ARGUMENTS = (
    {"x-queue-type": "quorum"}
    if os.environ.get("OSGP_METER_QUEUE", "classic") == "quorum"
    else {"x-max-priority": 9}
)
CELERY_TASK_QUEUES = tuple(
    Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)
    for name, arguments in (
        ("push", None),
        ("meter", _METER_QUEUE_ARGUMENTS),
        ("notify", None),
        ("system", None),
    )
)
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "osgp.requests.visit_meter": {"queue": "meter"},
    "osgp.requests.keep_house": {"queue": "system"},
    "osgp.requests.perform_platform_requests": {"queue": "system"},
    "osgp.requests.renew_database_mark": {"queue": "system"},
    "osgp.alarms.*": {"queue": "push"},
    "osgp.batches.*": {"queue": "system"},
    "osgp.message_logs.*": {"queue": "system"},
    "osgp.notifications.*": {"queue": "notify"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
# Without this every greenlet resolves the (disabled) result backend anew, at four times the CPU of a task.
CELERY_RESULT_BACKEND_THREAD_SAFE = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Flower switches events on in the workers when it starts; without a listener they are wasted CPU.
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "osgp.processes.beat:Scheduler"
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- The platform --------------------------------------------------------------------------------------

OSGP: dict[str, Any] = {
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
    "DISPATCH_AHEAD": int(os.environ.get("OSGP_DISPATCH_AHEAD", "100" if EMBEDDED else "500")),
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
    "APDU_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_APDU_DEADLINE_SECONDS", "30"))),
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
        "OSGP_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128" if EMBEDDED else ""
    ),
    "WEBHOOK_ALLOW_HTTP": read_flag("OSGP_WEBHOOK_ALLOW_HTTP", default=EMBEDDED),
    # Certificates (PEM) that receivers are trusted by beside those of the system.
    "WEBHOOK_CA_FILE": os.environ.get("OSGP_WEBHOOK_CA_FILE", ""),
    "WEBHOOK_DEADLINE": timedelta(seconds=float(os.environ.get("OSGP_WEBHOOK_DEADLINE_SECONDS", "10"))),
    # How long a notifier may be silent before its deliveries are given to another one.
    "WEBHOOK_LEASE": timedelta(seconds=float(os.environ.get("OSGP_WEBHOOK_LEASE_SECONDS", "60"))),
    # Endpoints that are sent to at the same time, by all notifiers together.
    "WEBHOOK_SLOTS": int(os.environ.get("OSGP_WEBHOOK_SLOTS", "4" if EMBEDDED else "1000")),
    # Consecutive failures after which an endpoint is tried with one delivery at a time, ever more rarely.
    "WEBHOOK_CIRCUIT_FAILURES": int(os.environ.get("OSGP_WEBHOOK_CIRCUIT_FAILURES", "5")),
    # Endpoints that an organisation may register.
    "WEBHOOK_MOST_ENDPOINTS": int(os.environ.get("OSGP_WEBHOOK_MOST_ENDPOINTS", "50")),
    "LOCAL_SECRETS": EMBEDDED or read_flag("OSGP_LOCAL_SECRETS"),
}

# --- REST ----------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["osgp.accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["osgp.requests.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "osgp.requests.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

SPECTACULAR_SETTINGS = {
    "TITLE": "Smart metering head-end",
    "DESCRIPTION": (
        "Requests to DLMS/COSEM meters: accepted at once, carried out asynchronously, fetched by "
        "correlation UID."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    # Choices stay with their fields: names for shared ones would have to be invented.
    "POSTPROCESSING_HOOKS": [],
    # The browsable page loads nothing from elsewhere.
    "REDOC_DIST": "SIDECAR",
}

# --- The rest ------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = read_flag("OSGP_HTTPS")
DEFAULT_EXCEPTION_REPORTER_FILTER = "osgp.processes.error_reports.ErrorReportFilter"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "amqp": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
