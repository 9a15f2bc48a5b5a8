"""Settings. Everything that differs between a laptop and production comes from the environment.

With ``OSGP_EMBEDDED=1`` this is the embedded default: SQLite, the in-process broker and generated keys, all
below ``var/``. Production sets ``DATABASE_URL``, ``BROKER_URL``, ``SECRET_KEY`` and ``ALLOWED_HOSTS``; for
the web application ``OSGP_RSA_PUBLIC_KEY_FILE``, and for workers ``OSGP_KEY_ENCRYPTION_KEYS`` and
``OSGP_RSA_PRIVATE_KEY_FILE`` (docs/how-to/run-in-production.md).
"""

import os
import socket
import sys
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue

from osgp.database_settings import make_database_settings
from osgp.environment import read_flag, read_list, read_needed
from osgp.platform_settings import IS_EMBEDDED, PLATFORM

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("OSGP_VAR_DIR", BASE_DIR / "var"))

DEBUG = read_flag("DEBUG")
EMBEDDED = IS_EMBEDDED
OSGP: dict[str, Any] = PLATFORM

SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    from osgp.local_secrets import find_or_make_secret

    local = EMBEDDED or read_flag("OSGP_LOCAL_SECRETS")
    SECRET_KEY = find_or_make_secret(VAR_DIR, "django-secret-key", allowed=local, variable="SECRET_KEY")

ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "osgp.processes",
    "osgp.audit",
    "osgp.networks",
    "osgp.devices",
    "osgp.accounts",
    "osgp.firmware",
    "osgp.device_groups",
    "osgp.events",
    "osgp.system_notes",
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
    "osgp.request_id.RequestIdMiddleware",
    "osgp.trusted_proxies.TrustedProxyMiddleware",
    "osgp.requests.api.problems.PlainCallMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "osgp.cache_headers.NoStoreMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "osgp.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "osgp.audit.context.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "osgp.requests.api.problems.OutageMiddleware",
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
        read_needed("DATABASE_URL", embedded=EMBEDDED, default=f"sqlite:///{VAR_DIR / 'osgp.sqlite3'}"),
        VAR_DIR,
        idle_transaction=float(os.environ.get("OSGP_IDLE_TRANSACTION_SECONDS", "30")),
        # No limit by default: only callers of the web application choose the filters of queries, see wsgi.py.
        statement=float(os.environ.get("OSGP_STATEMENT_SECONDS", "0")),
    )
}

# --- Celery --------------------------------------------------------------------------------------------

CELERY_BROKER_URL = read_needed("BROKER_URL", embedded=EMBEDDED, default="memory://localhost")
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
    "osgp.audit.*": {"queue": "system"},
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
# What a proxy that ends TLS says of a call is believed if OSGP_TRUSTED_PROXIES has it.
IS_HTTPS = read_flag("OSGP_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = IS_HTTPS
# Calls of the API are refused instead (PlainCallMiddleware); the others come from within.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = int(os.environ.get("OSGP_HSTS_SECONDS", "31536000")) if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = read_flag("OSGP_HSTS_SUBDOMAINS")
SECURE_HSTS_PRELOAD = read_flag("OSGP_HSTS_PRELOAD")
# Subdomains, and lists of browsers, are for the owner of the domain to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
DEFAULT_EXCEPTION_REPORTER_FILTER = "osgp.processes.error_reports.ErrorReportFilter"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s%(request_id)s %(message)s"}},
    "filters": {
        "refusals": {"()": "osgp.log_lines.RefusalsInALine"},
        "request id": {"()": "osgp.request_id.RequestIdInLine"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["refusals", "request id"],
            "stream": sys.stderr,
        }
    },
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "amqp": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
