"""The Celery application. Tasks carry no data, only the id of a meter session and its token
(osgp/visits/tasks.py).
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")


def make_psycopg2_cooperative() -> None:
    """Under the gevent pool, let psycopg2 wait without stopping the other greenlets of the process."""
    try:
        from gevent.monkey import is_module_patched
    except ImportError:
        return
    if is_module_patched("socket"):
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()


make_psycopg2_cooperative()

app = Celery("osgp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
