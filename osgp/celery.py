"""The Celery application. Tasks carry no data, only the id of a meter session and its token
(osgp/visits/tasks.py).
"""

import os
from datetime import datetime

from celery import Celery, Task

from osgp import platform_time

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


class PlatformCelery(Celery):
    """Celery by the platform's time: until when hints are good."""

    def now(self) -> datetime:
        """Return the time in the time zone of the application."""
        return platform_time.now().astimezone(self.timezone)


class PlatformTask(Task):
    """A task whose hints expire by the platform's time."""

    abstract = True
    Request = "osgp.task_request:TaskRequest"


app = PlatformCelery("osgp", task_cls=PlatformTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
