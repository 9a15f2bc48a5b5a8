"""The system title with which this installation calls meters.

Title and invocation counter are the nonce of what is ciphered. Counters belong to keys, so no two titles use
a value of one key, but an installation should be told from others all the same. Its title is made once, and
kept in the database, so that all its processes have the same one.
"""

import secrets
from functools import cache

from osgp.devices.configured_title import read_configured
from osgp.devices.models import ClientSystemTitle

MANUFACTURER = b"OSG"
"""The first three octets of a system title are the manufacturer's (Green Book 4.3.4)."""
RANDOM_OCTETS = 5
ROW = 1


def make_title() -> str:
    """Return a new title, 16 hexadecimal digits."""
    return (MANUFACTURER + secrets.token_bytes(RANDOM_OCTETS)).hex().upper()


def find_title() -> str:
    """Return the title of this installation, 16 hexadecimal digits. Reads the database once per process.

    Raises ImproperlyConfigured for a configured one that is none.
    """
    return read_configured() or _find_kept()


@cache
def _find_kept() -> str:
    """Several processes may want to keep one at the same time: all return the one that was kept."""
    if (title := _read()) is None:
        ClientSystemTitle.objects.bulk_create(
            [ClientSystemTitle(pk=ROW, title=make_title())], ignore_conflicts=True
        )
        title = _read()
        assert title is not None
    return title


def _read() -> str | None:
    return ClientSystemTitle.objects.filter(pk=ROW).values_list("title", flat=True).first()
