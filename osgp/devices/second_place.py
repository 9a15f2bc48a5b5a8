"""The second place of new keys: a folder on another disk, and the public key under which they are sealed.

Knows neither devices nor what is in the files (osgp/devices/key_escrow.py).
"""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.devices import platform_keys


@dataclass(frozen=True)
class Place:
    """Where keys are written, and for whom they are sealed."""

    directory: Path
    public_key: rsa.RSAPublicKey

    def write(self, at: datetime, name: str, content: bytes) -> None:
        """Write a file into the folder of the day (UTC). It is on the disk afterwards. Raises OSError.

        There is all of it or nothing. A file with that name is replaced.
        """
        # The directory itself is not made: a disk that is not mounted must not be mistaken for an empty one.
        folder = self.directory / at.date().isoformat()
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(self.directory)
        _write(folder / name, content)


def find_place() -> Place | None:
    """Return the configured place, None without one. Raises ImproperlyConfigured, naming the variable."""
    directory, file = settings.OSGP["KEY_ESCROW_DIRECTORY"], settings.OSGP["KEY_ESCROW_PUBLIC_KEY_FILE"]
    if not directory and not file:
        return None
    for missing, name in ((directory, "DIRECTORY"), (file, "PUBLIC_KEY_FILE")):
        if not missing:
            raise ImproperlyConfigured(f"OSGP_KEY_ESCROW_{name} is not set, although its counterpart is.")
    return Place(Path(directory), _load_public_key(file))


@lru_cache(maxsize=2)
def _load_public_key(file: str) -> rsa.RSAPublicKey:
    try:
        return platform_keys.read_public_key(file)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"OSGP_KEY_ESCROW_PUBLIC_KEY_FILE: {error}") from error


def require_writable() -> None:
    """Raise ImproperlyConfigured if there is a second place and this process cannot write there."""
    place = find_place()
    if place is None:
        return
    probe = place.directory / f".probe-{uuid.uuid4()}"
    try:
        _write(probe, b"")
        probe.unlink()
    except OSError as error:
        raise ImproperlyConfigured(
            f"OSGP_KEY_ESCROW_DIRECTORY: cannot write to {place.directory}: {error.strerror}."
        ) from error


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{uuid.uuid4()}.tmp")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
