"""Who uses ``manage.py``: what commands change is done on the command line, by a user of the host."""

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from osgp.audit.context import COMMAND_LINE, Actor, acting

PROCESSES = frozenset(
    {"run", "worker", "dispatch", "listen", "stream", "simulate", "migrate", "beat", "test"}
)
"""Commands that work for the platform, not for whoever started them."""


@contextmanager
def acting_for_a_person(arguments: Sequence[str]) -> Iterator[None]:
    """Within the block, a command that is no process of the platform acts on behalf of who calls it."""
    command = arguments[1] if len(arguments) > 1 else ""
    if command in PROCESSES:
        yield
        return
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = ""
    with acting(Actor(COMMAND_LINE, details={"command": command[:64], "os_user": user[:64]})):
        yield
