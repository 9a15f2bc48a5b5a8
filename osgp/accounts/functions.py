"""Device function groups: the units in which an organisation is granted functions of a device.

Each operation names its own groups (``Operation.granted_to``), so that adding a message touches one place.
On the reference platform every metering function belongs to OWNER alone; here MONITORING may read meters too.
"""

from django.db.models import TextChoices


class DeviceFunctionGroup(TextChoices):
    """What a device authorisation grants."""

    OWNER = "OWNER"
    INSTALLATION = "INSTALLATION"
    AD_HOC = "AD_HOC"
    MANAGEMENT = "MANAGEMENT"
    FIRMWARE = "FIRMWARE"
    SCHEDULING = "SCHEDULING"
    CONFIGURATION = "CONFIGURATION"
    MONITORING = "MONITORING"
    METADATA_MANAGEMENT = "METADATA_MANAGEMENT"
    RELAY = "RELAY"
    """Switching the supply of a customer off and on: not part of MANAGEMENT."""


class Scope(TextChoices):
    """What a token allows its application, within what its organisation may do.

    ``READ`` fetches results and lists; each other scope but ``ADMIN`` posts the messages of one service.
    """

    READ = "read"
    ADHOC = "adhoc"
    BUNDLE = "bundle"
    CONFIGURATION = "configuration"
    INSTALLATION = "installation"
    MANAGEMENT = "management"
    MONITORING = "monitoring"
    NOTIFICATION = "notification"
    ADMIN = "admin"
    """Registering the public keys of the organisation's applications. Never given unless asked for."""


DEFAULT_SCOPES = tuple(scope for scope in Scope if scope != Scope.ADMIN)
"""What a token allows about which nothing is said: an application does not choose who gets keys."""
