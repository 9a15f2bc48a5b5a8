"""A second place for new keys, in a folder of the test."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django import Settings

from osgp.devices import key_escrow
from osgp.devices.models import KeyType
from tests.devices.rsa_keys import write_private, write_public
from tests.rsa_keys import make_pair


class SecondPlace:
    """``directory`` has the files; the private half of ``key`` opens them."""

    def __init__(self, folder: Path) -> None:
        self.key: rsa.RSAPrivateKey = make_pair("escrow")
        self.directory = folder / "escrow"
        self.directory.mkdir()
        self.public_key_file = write_public(self.key, folder / "escrow-public.pem")
        self.private_key_file = write_private(self.key, folder / "escrow-private.pem")

    def configure(self, settings: Settings) -> None:
        settings.OSGP = settings.OSGP | {
            "KEY_ESCROW_DIRECTORY": str(self.directory),
            "KEY_ESCROW_PUBLIC_KEY_FILE": str(self.public_key_file),
        }

    def list_files(self, ending: str = "") -> list[Path]:
        """All files, hidden ones as well, or those of one kind."""
        return [path for path in sorted(self.directory.rglob(f"*{ending}")) if path.is_file()]

    def open_all(self) -> list[dict[KeyType, bytes]]:
        return [key_escrow.read(path).open(self.key) for path in self.list_files(key_escrow.KEYS)]
