"""The program of a template process: imports what the platform's processes import, and forks each of them.

    python -m tests.process_template
    python -m gevent.monkey --module tests.process_template

Each line of its standard input is a list of arguments, as Python would get them. It answers with the id of a
process that goes on as Python would with these arguments. That process is handed over to the nearest ancestor
that takes orphans (tests/processes/templates.py), which can wait for it.
"""

import gc
import importlib
import json
import os
import runpy
import sys
from typing import NoReturn

import django

PATCHED = ["-m", "gevent.monkey", "--module"]
"""How arguments of Python begin whose program runs under gevent."""

USED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "django_celery_beat.schedulers",
    "kombu.transport.pyamqp",
    "osgp.visits.dispatcher",
)
"""What the processes import later than Django's start and their tasks."""


def prepare() -> None:
    """Import what any process of the platform needs, and connect to nothing."""
    from osgp.celery import app

    django.setup()
    app.loader.import_default_modules()
    app.finalize()
    for module in USED:
        importlib.import_module(module)
    if is_patched():
        importlib.import_module("celery.concurrency.gevent")
    gc.collect()
    gc.freeze()


def is_patched() -> bool:
    """Whether this is the template of processes that run under gevent."""
    return "gevent.monkey" in sys.modules


def serve() -> None:
    """Fork for each line, until the test process has no more."""
    while line := sys.stdin.readline():
        arguments = json.loads(line)
        read, write = os.pipe()
        if fork() == 0:
            # The parent of the process ends at once, so that it is an orphan.
            pid = fork()
            if pid == 0:
                close(read)
                close(write)
                become(arguments)
            os.write(write, str(pid).encode())
            os._exit(0)
        close(write)
        with os.fdopen(read) as answer:
            pid_of_orphan = answer.read()
        os.wait()  # until it is an orphan
        sys.stdout.write(f"{pid_of_orphan}\n")
        sys.stdout.flush()


def fork() -> int:
    """Fork, without gevent's own care for children."""
    if not is_patched():
        return os.fork()
    import gevent
    from gevent import monkey

    pid: int = monkey.get_original("os", "fork")()
    if pid == 0:
        gevent.reinit()
    return pid


def close(descriptor: int) -> None:
    """Close it now; gevent would when its hub runs next."""
    if not is_patched():
        os.close(descriptor)
        return
    from gevent import monkey

    monkey.get_original("os", "close")(descriptor)


def become(arguments: list[str]) -> NoReturn:
    """Go on as ``python ARGUMENT ...``."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    if arguments[: len(PATCHED)] == PATCHED:
        arguments = ["-m", *arguments[len(PATCHED) :]]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    prepare()
    serve()
