"""Invocation counters of keys, and what tells keys apart without showing them."""

from django.db import models


class FingerprintKey(models.Model):
    """The secret under which fingerprints of keys are computed, encrypted at rest (devices/fingerprints.py).

    The latest row counts; there is another one only after the key-encryption keys were lost.
    """

    key_encryption_key_id = models.CharField(max_length=32, editable=False)
    wrapped_data_key = models.BinaryField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"fingerprint key {self.pk}"


class CounterGeneration(models.Model):
    """How often counters may have been set back by a restore (devices/generations.py); one row."""

    number = models.PositiveBigIntegerField(default=1)
    mark = models.CharField(max_length=200, blank=True, help_text="Of the database that this was seen in.")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"generation {self.number}"


LARGEST_COUNTER = 2**32 - 1


class KeyCounter(models.Model):
    """The invocation counter of one encryption key, whichever devices have it (invocation_counters.py).

    It outlives the stored key: a key that comes back goes on where it was.
    """

    fingerprint = models.CharField(max_length=64, unique=True, editable=False, help_text="Of the key.")
    fingerprint_key = models.ForeignKey(FingerprintKey, on_delete=models.PROTECT, related_name="+")
    next_value = models.BigIntegerField(
        null=True,
        help_text="The first value not yet reserved by any session; unknown until read from a meter.",
    )
    free_until = models.BigIntegerField(
        default=LARGEST_COUNTER + 1, help_text="Where the free values after next_value end for now."
    )
    tried = models.JSONField(
        default=list,
        help_text="Ranges, first and end, above next_value, that were used without a proof of the meter.",
    )
    generation = models.PositiveBigIntegerField(default=1, help_text="In which next_value is right.")
    claim_offset = models.BigIntegerField(
        default=0,
        help_text="What is added to claims of meters: a restore may have lost ranges that were tried.",
    )

    def __str__(self) -> str:
        return f"counter of key {self.fingerprint[:8]}"
