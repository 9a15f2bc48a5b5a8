"""Meters, their M-Bus children and their keys."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from osgp import catalogue, platform_time
from osgp.catalogue.communication import Framing, Security
from osgp.devices.counter_models import LARGEST_COUNTER, CounterGeneration, FingerprintKey, KeyCounter
from osgp.devices.settings_models import ClientSystemTitle, MeterKnowledge, SettingsKind, SharedSettings
from osgp.networks.models import Cell, CommunicationNetwork

__all__ = [
    "LARGEST_COUNTER",
    "ClientSystemTitle",
    "CommunicationMethod",
    "CounterGeneration",
    "Device",
    "DeviceKey",
    "DeviceType",
    "FingerprintKey",
    "KeyCounter",
    "KeyState",
    "KeyType",
    "LifecycleStatus",
    "MeterKnowledge",
    "RelayStatus",
    "SettingsKind",
    "SharedSettings",
    "device_identification_validator",
]

device_identification_validator = RegexValidator(r"^[A-Za-z0-9]{1,40}\Z", "1 to 40 of A-Z, a-z and 0-9")


class DeviceType(models.TextChoices):
    """The kind of meter; gas (G) and hydrogen (W) meters are read through a gateway, an electricity meter."""

    SMART_METER_E = "SMART_METER_E", "Electricity meter"
    SMART_METER_G = "SMART_METER_G", "Gas meter"
    SMART_METER_W = "SMART_METER_W", "Hydrogen meter"


MBUS_DEVICE_TYPES = frozenset({DeviceType.SMART_METER_G, DeviceType.SMART_METER_W})


class LifecycleStatus(models.TextChoices):
    """Administrative life of a device; no operation is refused because of it."""

    NEW_IN_INVENTORY = "NEW_IN_INVENTORY"
    READY_FOR_USE = "READY_FOR_USE"
    REGISTERED = "REGISTERED"
    REGISTERED_BUILD_IN_FAILED = "REGISTERED_BUILD_IN_FAILED"
    REGISTERED_INSTALL_FAILED = "REGISTERED_INSTALL_FAILED"
    REGISTERED_UPDATE_FAILED = "REGISTERED_UPDATE_FAILED"
    IN_USE = "IN_USE"
    RETURNED_TO_INVENTORY = "RETURNED_TO_INVENTORY"
    UNDER_TEST = "UNDER_TEST"
    DESTROYED = "DESTROYED"


class CommunicationMethod(models.TextChoices):
    GPRS = "GPRS", "GPRS"
    CDMA = "CDMA", "CDMA"
    LTE = "LTE", "LTE"
    ETHERNET = "ETHERNET", "Ethernet"


FRAMINGS = [(Framing.WRAPPER.value, "TCP wrapper"), (Framing.HDLC.value, "HDLC over TCP")]
SECURITIES = [
    (Security.NONE.value, "None"),
    (Security.LLS.value, "Low level (password)"),
    (Security.HLS5.value, "High level 5 (GMAC, suite 0)"),
]


class RelayStatus(models.TextChoices):
    """Output state of the disconnect control object."""

    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    READY_FOR_RECONNECTION = "READY_FOR_RECONNECTION"


class Device(models.Model):
    """An electricity meter that is dialled, or an M-Bus meter behind one."""

    identification = models.CharField(
        max_length=40, unique=True, validators=[device_identification_validator]
    )
    device_type = models.CharField(max_length=16, choices=DeviceType.choices)
    lifecycle_status = models.CharField(
        max_length=32, choices=LifecycleStatus.choices, default=LifecycleStatus.NEW_IN_INVENTORY
    )
    model = models.CharField(max_length=255, blank=True, help_text="Manufacturer's model code.")
    time_zone = models.CharField(max_length=64, default="Europe/Amsterdam", help_text="IANA name.")

    installed_at = models.DateTimeField(
        null=True, blank=True, help_text="If known. From before, no values are expected of it."
    )

    protocol_name = models.CharField(max_length=10)
    protocol_version = models.CharField(max_length=10)
    protocol_variant = models.CharField(max_length=10, blank=True)

    communication_method = models.CharField(
        max_length=10,
        choices=CommunicationMethod.choices,
        blank=True,
        help_text="Empty for an M-Bus device: it is reached the way its gateway is.",
    )
    network = models.ForeignKey(
        CommunicationNetwork,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="devices",
        help_text="Its limits hold for visits to the meter.",
    )
    cell = models.ForeignKey(Cell, null=True, blank=True, on_delete=models.SET_NULL, related_name="devices")
    network_address = models.CharField(max_length=255, blank=True, help_text="IP address or host name.")
    port = models.PositiveIntegerField(
        default=4059, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    address_is_static = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether it keeps its IP address. If not, the meter may announce another network address, "
        "which is adopted after it has authenticated there.",
    )
    announced_address = models.CharField(
        max_length=45,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Where somebody without proof says that the meter is now: the next visit tries it.",
    )
    system_title = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^[0-9A-F]{16}\Z", "16 hexadecimal digits, A to F in capitals")],
        help_text="Of the meter, 16 hexadecimal digits. Learned when it associates.",
    )
    stores_unverified_pushes = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether readings that it pushes without authentication are stored.",
    )
    keeps_standard_time = models.BooleanField(
        default=False, db_default=False, help_text="Whether the clock of its pushes knows no summer time."
    )
    logical_device_address = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="With HDLC 16382 at most.",
    )
    framing = models.CharField(
        max_length=8, choices=FRAMINGS, default=Framing.WRAPPER.value, db_column="transport"
    )
    security = models.CharField(max_length=8, choices=SECURITIES, default=Security.HLS5.value)
    challenge_length = models.PositiveSmallIntegerField(
        default=16, validators=[MinValueValidator(8), MaxValueValidator(64)]
    )
    with_list_max = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(255)],
        help_text="Attributes in one GET or SET with list; 1: no lists, 0: as its model or profile has it.",
    )
    selective_access = models.BooleanField(default=True, help_text="Range access may select columns.")
    polyphase = models.BooleanField(default=False)
    # NULL, not {}: SQLite would copy the table to add a column with such a default.
    own_settings = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="How to talk to it, where it is different: see devices/meter_settings.py.",
    )
    knowledge = models.ForeignKey(
        MeterKnowledge,
        to_field="digest",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="devices",
        # Of its own in Meta: that of a foreign key is made twice for texts, while the table is locked.
        db_index=False,
        help_text="What was learned of it.",
    )
    knowledge_checked = models.JSONField(
        null=True, blank=True, editable=False, help_text="When it was last asked for what, by group."
    )

    gateway = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="mbus_devices"
    )
    channel = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(4)]
    )
    mbus_identification_number = models.CharField(max_length=8, blank=True)
    mbus_manufacturer = models.CharField(max_length=3, blank=True)
    mbus_version = models.PositiveSmallIntegerField(null=True, blank=True)
    mbus_device_type = models.PositiveSmallIntegerField(null=True, blank=True)
    mbus_primary_address = models.PositiveSmallIntegerField(null=True, blank=True)

    key_change_counter = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of the last change of a key of an M-Bus device (KCC); none may come twice.",
    )

    relay_status = models.CharField(max_length=24, choices=RelayStatus.choices, blank=True)
    relay_status_as_of = models.DateTimeField(null=True, blank=True)

    hls3_active = models.BooleanField(
        "HLS 3 at P3", null=True, blank=True, editable=False, help_text="As last read; unknown until then."
    )
    hls4_active = models.BooleanField(
        "HLS 4 at P3", null=True, blank=True, editable=False, help_text="As last read; unknown until then."
    )
    hls5_active = models.BooleanField(
        "HLS 5 at P3", null=True, blank=True, editable=False, help_text="As last read; unknown until then."
    )

    debugging_until = models.DateTimeField(
        null=True, blank=True, help_text="Its messages are logged until then, or were (osgp/message_logs)."
    )

    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    failed_connections = models.PositiveIntegerField(default=0, help_text="In a row.")
    is_slow = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether the last visit took long for what came of it: slow meters are visited in a lane "
        "of their own (osgp/visits/pace.py).",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["identification"]
        indexes = [
            # Pages of one type, or of what is disconnected, in the order of lists.
            models.Index(fields=["device_type", "identification"], name="device_by_type"),
            models.Index(
                fields=["relay_status", "identification"],
                condition=~Q(relay_status=""),
                name="device_by_relay_status",
            ),
            models.Index(
                fields=["mbus_identification_number", "mbus_manufacturer"],
                condition=~Q(mbus_identification_number=""),
                name="device_by_mbus_name",
            ),
            models.Index(
                fields=["system_title"], condition=~Q(system_title=""), name="device_by_system_title"
            ),
            models.Index(
                fields=["-debugging_until"],
                condition=Q(debugging_until__isnull=False),
                name="device_by_debugging",
            ),
            models.Index(
                fields=["knowledge"],
                condition=Q(knowledge__isnull=False),
                name="device_by_knowledge",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "channel"],
                condition=Q(gateway__isnull=False),
                name="one_device_per_channel",
            ),
            models.CheckConstraint(
                condition=Q(channel__isnull=True) | Q(channel__range=(1, 4)), name="channel_1_to_4"
            ),
        ]

    def __str__(self) -> str:
        return self.identification

    @property
    def is_mbus(self) -> bool:
        """Whether the device is connected to the M-Bus of a gateway instead of being dialled itself."""
        return self.device_type in MBUS_DEVICE_TYPES

    @property
    def is_debugged(self) -> bool:
        """Whether its messages are logged now."""
        return self.debugging_until is not None and self.debugging_until > platform_time.now()

    @property
    def profile(self) -> "catalogue.Profile":
        """The profile whose COSEM objects the device has: its own, or that of its gateway.

        Raises catalogue.UnknownProfile.
        """
        meter = self.gateway or self
        return catalogue.find_profile(meter.protocol_name, meter.protocol_version)


class KeyType(models.TextChoices):
    """The secrets that a device can have."""

    E_METER_MASTER_KEY = "E_METER_MASTER_KEY"
    E_METER_AUTHENTICATION_KEY = "E_METER_AUTHENTICATION_KEY"
    E_METER_ENCRYPTION_KEY_UNICAST = "E_METER_ENCRYPTION_KEY_UNICAST"
    E_METER_ENCRYPTION_KEY_BROADCAST = "E_METER_ENCRYPTION_KEY_BROADCAST"
    G_METER_MASTER_KEY = "G_METER_MASTER_KEY"
    G_METER_ENCRYPTION_KEY = "G_METER_ENCRYPTION_KEY"
    G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY = "G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY"
    G_METER_OPTICAL_PORT_KEY = "G_METER_OPTICAL_PORT_KEY"
    LLS_PASSWORD = "LLS_PASSWORD"  # noqa: S105 (a name, not a password)


class KeyState(models.TextChoices):
    """A NEW key is perhaps not in the meter yet. key_states.py says what follows what (docs/states.md)."""

    NEW = "NEW"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


class DeviceKey(models.Model):
    """One version of one secret of a device, encrypted at rest (devices/keystore.py).

    EXPIRED and WITHDRAWN ones are deleted after KEY_RETENTION, all others with their device only.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="keys")
    key_type = models.CharField(max_length=48, choices=KeyType.choices)
    state = models.CharField(max_length=10, choices=KeyState.choices, default=KeyState.NEW)
    key_encryption_key_id = models.CharField(max_length=32, editable=False)
    wrapped_data_key = models.BinaryField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    counter = models.ForeignKey(
        KeyCounter,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="keys",
        help_text="Of global unicast encryption keys.",
    )
    change = models.UUIDField(
        null=True, blank=True, editable=False, help_text="What stored it: keys of one change belong together."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["device", "key_type", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "key_type"], condition=Q(state="ACTIVE"), name="one_active_key_per_type"
            ),
            models.UniqueConstraint(
                fields=["device", "key_type"], condition=Q(state="NEW"), name="one_new_key_per_type"
            ),
        ]
        indexes = [
            # What is past its retention, the oldest first.
            models.Index(
                fields=["state_changed_at"],
                condition=Q(state__in=("EXPIRED", "WITHDRAWN")),
                name="past_keys_by_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_type} ({self.state})"
