"""Message names in their different spellings."""

import re

BUNDLE = "Bundle"
"""The message that consists of other messages."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def kebab_case(name: str) -> str:
    """``SetEncryptionKeyExchangeOnGMeter`` -> ``set-encryption-key-exchange-on-g-meter``."""
    return _WORD.sub("-", name).lower()


def upper_snake_case(name: str) -> str:
    """``SynchronizeTime`` -> ``SYNCHRONIZE_TIME``."""
    return _WORD.sub("_", name).upper()
