"""Organisations, their users and API tokens, and what they may do with a device."""

import hashlib
import secrets
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

from osgp import platform_time
from osgp.accounts.functions import DEFAULT_SCOPES, DeviceFunctionGroup
from osgp.devices.models import Device

identification_validator = RegexValidator(r"^\S{1,40}$", "1 to 40 characters, no blanks")


class Organisation(models.Model):
    """A utility, energy company or lab that sends requests to meters."""

    identification = models.CharField(max_length=40, unique=True, validators=[identification_validator])
    name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True, help_text="A disabled organisation is refused with code 104.")
    max_visits = models.PositiveIntegerField(
        "max. visits",
        null=True,
        blank=True,
        help_text="Meters visited for it at a time. Empty: as set for the platform, and in any case no more "
        "than its fair part while others have work. 0: no meter is dialled for it.",
    )
    max_waiting_requests = models.PositiveIntegerField(
        "max. waiting requests",
        null=True,
        blank=True,
        help_text="Requests that may wait; more are refused with 429. Empty: as set for the platform.",
    )
    waiting_requests = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="As last counted (osgp/requests/waiting_limits.py).",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["identification"]

    def __str__(self) -> str:
        return self.identification


class User(AbstractUser):
    """A person who signs in to the admin. Platform operators have no organisation and see everything."""

    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="users"
    )


class ApiToken(models.Model):
    """A bearer token of one application of an organisation. Only its SHA-256 is stored.

    The token is 256 random bits, so a plain digest is as safe as a slow one and adds nothing to an API call.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="tokens")
    application = models.CharField(max_length=40, help_text="The application that uses the token.")
    hint = models.CharField(
        max_length=12, editable=False, help_text="How the token begins, to tell it from others."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["organisation", "application", "-created_at"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.organisation_id}/{self.application} {self.hint}…"

    @staticmethod
    def compute_digest(secret: str) -> str:
        """Return the form in which a token is stored and looked up."""
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(
        cls,
        organisation: Organisation,
        application: str,
        *,
        scopes: list[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple["ApiToken", str]:
        """Make a token; returns the row and the secret, which cannot be recovered."""
        secret = f"osgp_{secrets.token_urlsafe(32)}"
        token = cls.objects.create(
            organisation=organisation,
            application=application,
            hint=secret[:10],
            digest=cls.compute_digest(secret),
            scopes=scopes if scopes is not None else [str(scope) for scope in DEFAULT_SCOPES],
            expires_at=expires_at,
        )
        return token, secret

    def is_valid(self, now: datetime | None = None) -> bool:
        """Return whether the token is neither revoked nor expired."""
        now = now or platform_time.now()
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class ApplicationKey(models.Model):
    """The public key of an application: device keys are handed out to it encrypted with this one.

    osgp/management/application_keys.py registers and removes them, so that the audit trail has it.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="application_keys")
    application = models.CharField(max_length=40, help_text="As its tokens name it.")
    public_key = models.TextField(help_text="RSA, PEM (X.509 SubjectPublicKeyInfo).")
    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 of the SubjectPublicKeyInfo in DER, hexadecimal."
    )
    registered_at = models.DateTimeField()
    registered_by = models.CharField(max_length=160, help_text="The application or the person.")

    class Meta:
        ordering = ["organisation", "application"]
        verbose_name = "application key"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "application"], name="one_key_per_application")
        ]

    def __str__(self) -> str:
        return f"public key of {self.application}"


class DeviceAuthorisation(models.Model):
    """One grant: an organisation may use one function group on one device."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="authorisations")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="authorisations")
    function_group = models.CharField(max_length=24, choices=DeviceFunctionGroup.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "organisation", "function_group"], name="one_authorisation_per_group"
            )
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.function_group} on {self.device_id}"
