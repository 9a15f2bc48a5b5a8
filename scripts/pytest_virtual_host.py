"""pytest plugin: each pytest-xdist process gets the RabbitMQ virtual host that scripts/test.py made for it.

Processes that share one virtual host would take each other's messages. Loaded with ``-p``, so that it runs
before Django's settings read the environment.
"""

import os

from scripts.services import replace_path


def choose_virtual_host() -> None:
    """Point BROKER_URL to the virtual host of this process, if there is one."""
    run = os.environ.get("OSGP_TEST_VIRTUAL_HOST")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if run and worker:
        os.environ["BROKER_URL"] = replace_path(os.environ["BROKER_URL"], f"{run}_{worker}")


choose_virtual_host()
