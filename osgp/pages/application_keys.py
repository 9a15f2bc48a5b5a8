"""The public keys of applications: registered and removed, never edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.application_keys import LONGEST_TEXT, NotAPublicKey, find_key, parse_public_key
from osgp.accounts.models import ApplicationKey
from osgp.management.application_keys import register_key, remove_key
from osgp.pages.access import GrantingAdmin
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.sending import name_sender


class UnechoedText(forms.Textarea):
    """A text that a page never shows again: somebody may have put in a private key by mistake."""

    def format_value(self, value: Any) -> None:
        return None


class ApplicationKeyForm(forms.ModelForm):
    """The public key of an application, new or in the place of a former one."""

    public_key = forms.CharField(
        max_length=LONGEST_TEXT,
        widget=UnechoedText(
            attrs={
                "rows": 10,
                "class": "vLargeTextField json",
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----",
            }
        ),
        help_text="RSA, 2048 to 8192 bits, in PEM. Takes the place of the one that the application has.",
    )

    class Meta:
        model = ApplicationKey
        fields = ("organisation", "application", "public_key")
        help_texts = {
            "application": "As its tokens name it. Who sends requests here is admin/ and the user name; "
            "manage.py is command line."
        }

    def clean_public_key(self) -> str:
        """Only a public key gets any further. The error quotes nothing of the text."""
        text: str = self.cleaned_data["public_key"]
        try:
            return parse_public_key(text).pem
        except NotAPublicKey as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        """An application that has a key gets another one, which Django must not take for a second one."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if {"organisation", "application"} <= cleaned.keys():
            self.instance = find_key(cleaned["organisation"], cleaned["application"]) or self.instance
        return cleaned


@admin.register(ApplicationKey)
class ApplicationKeyAdmin(GrantingAdmin):
    """Which applications get keys. The audit trail tells who registered and removed them."""

    form = ApplicationKeyForm
    list_display = ("application", "organisation", "short_fingerprint", "registered", "registered_by")
    list_select_related = ("organisation",)
    search_fields = ("application", "fingerprint", "organisation__identification")
    search_help_text = "Part of the application, fingerprint or organisation"

    registered = make_moment_column("registered_at", "Registered", ordering="registered_at")
    registered_in_full = make_moment_column("registered_at", "Registered", full=True)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        given = ("organisation", "application")
        if obj is None:
            return (*given, "public_key")
        return (*given, "full_fingerprint", "registered_in_full", "registered_by", "pem")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        row, _ = register_key(
            obj.organisation, obj.application, obj.public_key, by=name_sender(request.user.get_username())
        )
        obj.__dict__.update(row.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        remove_key(obj.organisation, obj.application, by=name_sender(request.user.get_username()))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset.select_related("organisation"):
            self.delete_model(request, row)

    @admin.display(description="Fingerprint", ordering="fingerprint")
    def short_fingerprint(self, row: ApplicationKey) -> SafeString:
        return format_html('<code title="{}">{}…</code>', row.fingerprint, row.fingerprint[:16])

    @admin.display(description="Fingerprint")
    def full_fingerprint(self, row: ApplicationKey) -> SafeString:
        return format_html("<code>{}</code>", row.fingerprint)

    @admin.display(description="Public key")
    def pem(self, row: ApplicationKey) -> SafeString:
        return format_html("<pre>{}</pre>", row.public_key)
