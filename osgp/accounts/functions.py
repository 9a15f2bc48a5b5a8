"""Device function groups: the units in which an organisation is granted what it may do with a device.

Which function belongs to which group is told by each operation itself (``Operation.granted_to``), so that
adding a message touches one place. Compared with the reference platform, where every metering function
belongs to OWNER alone, MONITORING reads meters here without owning them.
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


class Scope(TextChoices):
    """What a token allows its application, on top of what its organisation may do at all.

    ``READ`` fetches results and lists; each other scope posts the messages of one service.
    """

    READ = "read"
    ADHOC = "adhoc"
    BUNDLE = "bundle"
    CONFIGURATION = "configuration"
    INSTALLATION = "installation"
    MANAGEMENT = "management"
    MONITORING = "monitoring"
    NOTIFICATION = "notification"
