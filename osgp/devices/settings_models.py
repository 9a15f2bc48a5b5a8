"""What is set for many meters together, and what was learned of many meters alike."""

from django.db import models


class SettingsKind(models.TextChoices):
    """What devices with the same settings have in common."""

    MODEL = "MODEL", "Model"
    PROFILE = "PROFILE", "Profile"


class SharedSettings(models.Model):
    """How to talk to all meters of a model or a profile (devices/meter_settings.py)."""

    kind = models.CharField(max_length=8, choices=SettingsKind.choices)
    name = models.CharField(
        max_length=255,
        help_text="Manufacturer's model code as devices have it, or a profile such as SMR-5.5.",
    )
    settings = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = verbose_name_plural = "meter settings"
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="settings_once_per_name")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class MeterKnowledge(models.Model):
    """What was learned of meters: thousands of one type learn the same and share a row, which never changes.

    ``content`` is what visits/acquaintance.py makes of it. Deleted some time after no device has it any more.
    """

    digest = models.CharField(
        max_length=32, unique=True, editable=False, help_text="The first 128 bits of SHA-256 of the content."
    )
    content = models.JSONField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"knowledge {self.digest[:8]}"


class ClientSystemTitle(models.Model):
    """The system title with which the installation calls meters (devices/system_title.py); one row."""

    title = models.CharField(max_length=16, help_text="16 hexadecimal digits.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.title
