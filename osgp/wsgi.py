"""WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from osgp.chunked_bodies import ChunkedBodies
from osgp.devices.checks import require_public_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")
# Whoever asks for what takes the database too long wastes no more than this of it.
os.environ.setdefault("OSGP_STATEMENT_SECONDS", "60")

application = ChunkedBodies(get_wsgi_application())
# gunicorn, which loads it, runs no system checks: callers would be the first to notice.
require_public_key()
