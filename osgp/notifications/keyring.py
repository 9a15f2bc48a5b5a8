"""The key-encryption keys of webhook secrets, ``OSGP_WEBHOOK_KEYS``; knows nothing of the database."""

from osgp.devices import envelope
from osgp.devices.envelope import KeyEncryptionKeys


def load_keys() -> KeyEncryptionKeys:
    """Return the keys under which secrets are sealed. Raises ImproperlyConfigured."""
    return envelope.load_keyring("WEBHOOK_KEYS", "webhook-keys")
