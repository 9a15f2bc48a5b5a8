"""What meters said, stored once. The layout and its reasons: docs/adr (readings as columns per day).

A series has chunks, each with the values of a day or month as columns. Former claims about an interval are
stored beside them. On PostgreSQL chunks are partitioned by month; no foreign key refers to them, so that a
month is deleted by dropping a table.
"""

from functools import cached_property

from django.db import models

from osgp.catalogue import Flags
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings.arrays import IntegersField
from osgp.readings.buffers import find_status_flags
from osgp.readings.quantities import find_tag

PERIODS = [(str(period), str(period).capitalize()) for period in Period]


class Series(models.Model):
    """One quantity of one device on one channel, for one period."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="series", db_index=False)
    channel = models.PositiveSmallIntegerField(default=0, help_text="M-Bus channel; 0: the meter's own.")
    quantity = models.CharField(max_length=23, help_text="OBIS code, such as 1-0:1.8.0.255.")
    period = models.CharField(max_length=8, choices=PERIODS)
    unit = models.CharField(max_length=24)
    capture_period = models.PositiveIntegerField(help_text="Seconds between INTERVAL values.")
    time_zone = models.CharField(max_length=64, help_text="IANA name; its days are those of the chunks.")
    first_end = models.BigIntegerField(
        null=True, help_text="Interval end of its first value, in seconds since 1970; unknown: of old series."
    )

    class Meta:
        verbose_name = "series"
        verbose_name_plural = "missing readings"  # What the admin lists instead of series.
        constraints = [
            models.UniqueConstraint(
                fields=["device", "channel", "quantity", "period", "unit"], name="one_series_per_quantity"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.period}"

    @cached_property
    def tag(self) -> str | None:
        """The tag of the quantity in the profile of the device or its gateway; None: it has none there."""
        meter = self.device.gateway or self.device
        return find_tag(meter.protocol_name, meter.protocol_version, self.quantity)

    @cached_property
    def flags(self) -> Flags:
        """What the bits of the statuses mean in that profile."""
        meter = self.device.gateway or self.device
        return find_status_flags(meter.protocol_name, meter.protocol_version, self.quantity, self.period)


class Delivery(models.Model):
    """The readings of one action. Numbers rise: the higher one was received later."""

    device = models.ForeignKey(
        Device, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    correlation_uid = models.UUIDField(help_text="Of the request, which may be forgotten by now.")
    message = models.CharField(max_length=64)
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.message} {self.correlation_uid}"


class Chunk(models.Model):
    """The values of a series in one day or (DAILY, MONTHLY) month; see osgp/readings/chunks.py."""

    pk = models.CompositePrimaryKey("series_id", "start")
    series_id = models.BigIntegerField()
    start = models.DateField(help_text="First day, in the series' time zone.")
    begin = models.BigIntegerField(help_text="Its midnight in seconds since 1970.")
    exponent = models.SmallIntegerField(help_text="Values are amounts times ten to it.")
    count = models.PositiveIntegerField(help_text="How many values.")
    step = models.PositiveIntegerField(null=True, help_text="Seconds between values that are evenly apart.")
    offsets = IntegersField("integer", help_text="Interval ends, seconds after begin; with a step the first.")
    amounts = IntegersField("bigint")
    statuses = IntegersField("smallint", null=True, help_text="One if all are the same.")
    received = IntegersField("bigint", help_text="First deliveries; one if all are the same.")
    confirmed = IntegersField("bigint", help_text="Last deliveries; one if all are the same.")

    class Meta:
        db_table = "readings_chunk"

    def __str__(self) -> str:
        return f"{self.series_id} {self.start}"


class FormerClaim(models.Model):
    """What a meter said about an interval before or after it said the value that counts."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="former_claims", db_index=False)
    interval_end = models.DateTimeField(db_index=True)
    millionths = models.BigIntegerField()
    status = models.SmallIntegerField(help_text="AMR profile status; -1: none.")
    received = models.BigIntegerField(help_text="First delivery with it.")
    confirmed = models.BigIntegerField(help_text="Last delivery with it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["series", "interval_end", "millionths", "status"], name="one_row_per_former_claim"
            )
        ]

    def __str__(self) -> str:
        return f"{self.series_id} {self.interval_end}"


class Completeness(models.Model):
    """The days of a month that a series is full of, noted when values are stored, so that no query counts."""

    pk = models.CompositePrimaryKey("series_id", "month")
    series_id = models.BigIntegerField()
    month = models.DateField()
    full_days = models.BigIntegerField(default=0, help_text="Bit 0 is the first; of MONTHLY the only one.")

    class Meta:
        db_table = "readings_completeness"
        verbose_name_plural = "completeness"

    def __str__(self) -> str:
        return f"{self.series_id} {self.month}"
