"""How a key may end up in a text or in octets, and whether it has."""

import base64
from collections.abc import Iterable


class Secrets:
    """Secrets to look for; each has a name for the failure that tells where it was found."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def add(self, name: str, secret: bytes) -> None:
        """Look for this one, too. The closing key of optical ports, zeros, is none."""
        if any(secret):
            self._names.setdefault(secret, name)

    def __len__(self) -> int:
        return len(self._names)

    def find(self, content: str | bytes) -> list[str]:
        """The names of those that are in there, in any spelling."""
        raw = content if isinstance(content, bytes) else b""
        text = content if isinstance(content, str) else content.decode("latin-1")
        lowered = text.lower()
        return [
            name
            for secret, name in self._names.items()
            if secret in raw
            or any(spelling in text for spelling in list_texts(secret))
            or any(spelling in lowered for spelling in list_hexadecimal(secret))
        ]


def list_hexadecimal(secret: bytes) -> Iterable[str]:
    """In lower case: together, and with what some put between octets."""
    return (secret.hex(), *(secret.hex(separator) for separator in " :-"))


def list_texts(secret: bytes) -> Iterable[str]:
    """Python's and JSON's ways of writing octets, and base64, also from within longer octets."""
    yield secret.decode("latin-1")
    yield repr(secret)[2:-1]
    yield str(list(secret))[1:-1]
    yield ",".join(map(str, secret))
    for before in range(3):
        octets = bytes(before) + secret
        whole = slice(-(-before * 8 // 6), len(octets) * 8 // 6)
        yield base64.b64encode(octets).decode()[whole]
        yield base64.urlsafe_b64encode(octets).decode()[whole]
