"""Pushes as they were received, the alarms among them, and what was counted."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from osgp.accounts.models import Organisation
from osgp.devices.models import Device, KeyCounter
from osgp.messages.priorities import DEFAULT_PRIORITY, PRIORITY_VALIDATORS
from osgp.networks.models import CommunicationNetwork

LONGEST_PUSH = 65_536
"""Octets of a push with all its frames; longer ones are refused."""


class Transport(models.TextChoices):
    TCP = "TCP"
    UDP = "UDP"


class PushOutcome(models.TextChoices):
    """What became of a push. Those that failed have the name of a PushFault instead."""

    WAITING = "WAITING", "Not decoded yet"
    ALARM = "ALARM", "Alarm"
    READINGS = "READINGS", "Readings stored"
    VALUES = "VALUES", "Values that are no readings"
    ADDRESS = "ADDRESS", "Address announced"
    DOUBLED = "DOUBLED", "Came before"
    UNKNOWN_SENDER = "UNKNOWN_SENDER", "Unknown sender"
    UNKNOWN_FORM = "UNKNOWN_FORM", "Unknown form"
    KEYS_UNREADABLE = "KEYS_UNREADABLE", "Keys of the device unreadable"
    ERROR = "ERROR", "Internal error"


class ReceivedPush(models.Model):
    """What one meter sent in one message, as received. Stored before the meter is told that it arrived."""

    uid = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False, help_text="Given on arrival: none is stored twice."
    )
    received_at = models.DateTimeField(help_text="By the clock of the listener.")
    transport = models.CharField(max_length=3, choices=Transport.choices)
    source_address = models.GenericIPAddressField()
    source_port = models.PositiveIntegerField()
    octets = models.BinaryField(help_text="With all frames.")
    # No choices: a new outcome needs no migration.
    outcome = models.CharField(max_length=24, default=PushOutcome.WAITING)
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="pushes")
    is_verified = models.BooleanField(default=False, help_text="Whether its authentication tag was right.")
    is_counted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether its invocation counter was accepted: it may be decoded again.",
    )
    details = models.JSONField(default=dict, help_text="What it says, or why it could not be used.")
    decoded_at = models.DateTimeField(null=True)
    digest = models.BigIntegerField(
        null=True, editable=False, help_text="Of a plain push that was used, so that its like is found."
    )

    class Meta:
        verbose_name = "received push"
        verbose_name_plural = "received pushes"
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["id"], condition=Q(outcome="WAITING"), name="push_to_decode"),
            models.Index(fields=["outcome", "-id"], name="push_by_outcome"),
            models.Index(fields=["received_at"], name="push_retention"),
            models.Index(
                fields=["digest", "received_at"], condition=Q(digest__isnull=False), name="push_by_digest"
            ),
            models.Index(fields=["source_address", "-id"], name="push_by_source"),
        ]

    def __str__(self) -> str:
        return f"push {self.uid} from {self.source_address}"


class PushCount(models.Model):
    """How many pushes ended in one way in one hour, those that were not kept included."""

    hour = models.DateTimeField()
    transport = models.CharField(max_length=3, choices=Transport.choices)
    outcome = models.CharField(max_length=24, help_text="One of PushOutcome, PushFault or a loss.")
    number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "transport", "outcome"], name="one_push_count_per_hour")
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.hour}: {self.number}"


class PushCounter(models.Model):
    """The invocation counters of authentic pushes of one sender under one key; a new key begins anew."""

    key = models.ForeignKey(
        KeyCounter, on_delete=models.CASCADE, related_name="+", help_text="Stands for the encryption key."
    )
    system_title = models.CharField(max_length=16, help_text="16 hexadecimal digits.")
    highest = models.PositiveBigIntegerField(null=True, help_text="Null before the first push.")
    window = models.BigIntegerField(default=0, help_text="Bit n: highest - n - 1 has come (64 bits).")
    replayed = models.PositiveBigIntegerField(default=0, help_text="How many were refused.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "system_title"], name="one_push_counter_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.system_title}: {self.highest}"


class AlarmGroup(models.Model):
    """Alarms of one kind, owner and network that came one after the other: one line for a storm."""

    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.CASCADE, related_name="+")
    network = models.ForeignKey(CommunicationNetwork, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=255, help_text="Names of the alarms, in order, with commas.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    number = models.PositiveIntegerField(default=0)
    unacknowledged = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "group of alarms"
        verbose_name_plural = "alarms"
        ordering = ["-last_at", "-pk"]
        indexes = [
            models.Index(fields=["organisation", "-last_at", "-id"], name="alarm_group_by_owner"),
            models.Index(fields=["organisation", "network", "kind", "-last_at"], name="alarm_group_to_join"),
            models.Index(fields=["-last_at", "-id"], name="alarm_group_by_time"),
            models.Index(
                fields=["-last_at", "-id"], condition=Q(unacknowledged__gt=0), name="alarm_group_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} × {self.kind}"


class Alarm(models.Model):
    """What a meter reported on its own."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="alarms", db_index=False)
    group = models.ForeignKey(
        AlarmGroup, null=True, on_delete=models.SET_NULL, related_name="alarms", db_index=False
    )
    push = models.ForeignKey(
        ReceivedPush,
        null=True,
        on_delete=models.SET_NULL,
        related_name="alarms",
        help_text="Until forgotten.",
    )
    received_at = models.DateTimeField()
    happened_at = models.DateTimeField(null=True, help_text="By the meter, if it said so.")
    trigger = models.CharField(max_length=40, help_text="What made the meter push, such as ALARM.")
    alarm_types = models.JSONField(default=list, help_text="Names of the bits that are set, in order.")
    registers = models.JSONField(default=dict, help_text="Values of the alarm registers, by their numbers.")
    unknown_bits = models.JSONField(
        default=list, help_text="Bits without a meaning in the profile, as register.bit."
    )
    is_verified = models.BooleanField(default=False)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=160, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="Of who acknowledged it.")

    class Meta:
        verbose_name = "alarm"
        verbose_name_plural = "single alarms"
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="alarm_by_time"),
            models.Index(fields=["device", "-received_at", "-id"], name="alarm_by_device"),
            models.Index(fields=["group", "-received_at", "-id"], name="alarm_by_group"),
            models.Index(
                fields=["group", "id"], condition=Q(acknowledged_at__isnull=True), name="alarm_to_acknowledge"
            ),
            models.Index(
                fields=["-received_at", "-id"],
                condition=Q(acknowledged_at__isnull=True),
                name="alarm_unacknowledged",
            ),
            models.Index(
                fields=["-received_at", "-id"],
                condition=~Q(unknown_bits=[]),
                name="alarm_with_unknown_bits",
            ),
        ]

    def __str__(self) -> str:
        return f"alarm {self.uid} of {self.device}"


class AlarmRule(models.Model):
    """Sends a message to a device when it reports an alarm."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="alarm_rules")
    name = models.CharField(max_length=30)
    alarm_type = models.CharField(max_length=64, help_text="Name of the alarm.")
    message = models.CharField(max_length=64, help_text="What is sent to the device, with the parameters.")
    parameters = models.JSONField(default=dict, blank=True)
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY, validators=PRIORITY_VALIDATORS)
    most_per_hour = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="Requests per device and hour; further alarms send none.",
    )
    only_verified = models.BooleanField(
        default=False, help_text="Whether alarms that anybody may have sent are left out."
    )
    enabled = models.BooleanField(default=True)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    last_fault = models.JSONField(null=True, editable=False, help_text="Why it could not send, if so.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organisation", "name"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="one_alarm_rule_per_name")
        ]

    def __str__(self) -> str:
        return self.name
