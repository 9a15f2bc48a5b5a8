"""Secrets of an installation without configured ones: made once, kept in files that only their owner reads.

Only the embedded default uses them. A production process without its secrets refuses to start instead of
inventing some that its neighbours do not share.
"""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def make_random_secret() -> bytes:
    """Return 384 random bits as text."""
    return secrets.token_urlsafe(48).encode()


def find_or_make_secret(
    directory: Path,
    name: str,
    *,
    allowed: bool,
    make: Callable[[], bytes] = make_random_secret,
    variable: str = "",
) -> str:
    """Return the text of ``directory/secrets/name``, made by ``make`` when it is missing.

    Raises ImproperlyConfigured when the installation is not an embedded one (``allowed`` is false); it tells
    the ``variable`` that production sets instead.
    Several processes may race to make it: all of them return the one that was kept.
    """
    if not allowed:
        raise ImproperlyConfigured(
            f"{variable or name} is not set (docs/how-to/run-in-production.md); "
            "OSGP_LOCAL_SECRETS=1 allows a generated one."
        )
    path = directory / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = make()
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
    return path.read_text()
