"""Organisations, the people who use the admin, and the tokens of applications."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from osgp import platform_time
from osgp.accounts.functions import DEFAULT_SCOPES, Scope
from osgp.accounts.models import ApiToken, Organisation, User
from osgp.audit.changes import tell
from osgp.audit.models import AuditEvent
from osgp.pages.access import GrantingAdmin, OrganisationScopedAdmin, PlatformOnly, get_organisation
from osgp.pages.networks.gauge import draw_gauge
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import count_rows, draw_badge, format_moment
from osgp.pages.shared.lists import ListWithFigures
from osgp.pages.shared.page import render_page
from osgp.requests.slots import choose_limit, count_live_visits
from osgp.requests.waiting_limits import find_limit


@admin.register(Organisation)
class OrganisationAdmin(ListWithFigures, OrganisationScopedAdmin):
    """Organisations are disabled, not deleted: their requests stay."""

    list_display = ("identification", "name", "enabled", "visits_now", "waiting", "created")
    list_filter = ("enabled",)
    search_fields = ("identification", "name")
    search_help_text = "Part of the identification or name"
    ordering = ("identification",)
    actions = None

    created = make_moment_column("created_at", "Added", ordering="created_at")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(pk=organisation.pk)

    def add_figures(self, rows: Sequence[Any]) -> None:
        """What goes on for them now."""
        live = count_live_visits()
        for row in rows:
            row.live_visits = live.count_all(row.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        use = ("visits_now", "waiting", "created")
        return ("created",) if obj is None else ("identification", *use)

    @admin.display(description="Visits now")
    def visits_now(self, organisation: Any) -> SafeString:
        if not hasattr(organisation, "live_visits"):
            self.add_figures([organisation])
        return draw_gauge(organisation.live_visits, choose_limit(organisation.max_visits))

    @admin.display(description="Waiting requests, as last counted")
    def waiting(self, organisation: Organisation) -> SafeString:
        return draw_gauge(organisation.waiting_requests, find_limit(organisation))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return get_organisation(request) is None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(PlatformOnly, StockUserAdmin):
    """People. Only superusers decide who is one, and what permissions others have."""

    list_display = ("username", "organisation", "first_name", "last_name", "is_active", "is_superuser")
    list_filter = ("is_active", "is_superuser", "organisation")
    list_select_related = ("organisation",)
    fieldsets = (
        *list(StockUserAdmin.fieldsets or ())[:2],
        (
            "Organisation",
            {
                "fields": ("organisation",),
                "description": "A user with an organisation sees only its devices and requests; "
                "a user without one sees those of all organisations.",
            },
        ),
        *list(StockUserAdmin.fieldsets or ())[2:],
    )
    add_fieldsets = (
        *StockUserAdmin.add_fieldsets,
        ("Organisation", {"fields": ("organisation", "is_staff")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if request.user.is_superuser:
            return super().get_readonly_fields(request, obj)
        return ("is_superuser", "groups", "user_permissions", "last_login", "date_joined")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody gets a superuser's rights by changing a superuser's password."""
        if isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)


class TokenForm(forms.ModelForm):
    """What a new token is for. The platform issues the token itself."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[scope.value for scope in DEFAULT_SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="What the application may do, as far as its organisation may.",
    )

    class Meta:
        model = ApiToken
        fields = ("organisation", "application", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        """A token that has expired before it is issued is a slip of the hand."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= platform_time.now():
            raise forms.ValidationError("This time is in the past.")
        return expires_at


class RevokedFilter(admin.EmptyFieldListFilter):
    """Whether tokens were revoked."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = "revoked"

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice, text in zip(super().choices(changelist), ("All", "No", "Yes"), strict=True):
            yield {**choice, "display": text}


@admin.register(ApiToken)
class ApiTokenAdmin(GrantingAdmin):
    """Tokens are issued, shown once, and revoked; nothing about them is edited."""

    form = TokenForm
    list_display = ("application", "organisation", "hint_text", "status", "scope_names", "expires", "used")
    list_filter = (("revoked_at", RevokedFilter),)
    list_select_related = ("organisation",)
    search_fields = ("application", "hint", "organisation__identification")
    search_help_text = "Part of the application, token or organisation"
    actions = ("revoke",)
    readonly_fields = ("status", "hint_text", "created", "revoked", "used")

    created = make_moment_column("created_at", "Created", ordering="created_at")
    revoked = make_moment_column("revoked_at", "Revoked")
    used = make_moment_column("last_used_at", "Last used", ordering="last_used_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A revoked token stays, to show who had access when."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Revoking is all that the permission to change tokens allows."""
        return request.user.has_perm("accounts.change_apitoken")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        given = ("organisation", "application", "scopes", "expires_at")
        return given if obj is None else (*given, *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the token; its secret lives until the answer to this very call is rendered."""
        token, secret = ApiToken.issue(
            obj.organisation,
            obj.application,
            scopes=list(form.cleaned_data["scopes"]),
            expires_at=obj.expires_at,
        )
        obj.__dict__.update(token.__dict__)
        request.issued_token = secret  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, once: in the answer itself, so that no cookie or session ever holds it."""
        secret = request.issued_token  # type: ignore[attr-defined]
        template = "admin/accounts/apitoken/issued.html"
        return render_page(self, request, template, title="Token created", token=obj, secret=secret)

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """From now on the tokens are refused; there is no way back."""
        revoked = list(queryset.filter(revoked_at__isnull=True))
        number = queryset.filter(revoked_at__isnull=True).update(revoked_at=platform_time.now())
        for token in revoked:
            tell(token, AuditEvent.TOKEN_REVOKED, {})
            self.log_change(request, token, "Revoked.")
        text = f"{count_rows(number, 'token')} revoked. Calls with a revoked token are refused from now on."
        self.message_user(request, text, messages.SUCCESS)

    @admin.display(description="Token")
    def hint_text(self, token: ApiToken) -> str:
        return f"{token.hint}…"

    @admin.display(description="Status")
    def status(self, token: ApiToken) -> SafeString:
        if token.revoked_at is not None:
            return draw_badge("REVOKED")
        return draw_badge("ACTIVE") if token.is_valid() else draw_badge("EXPIRED")

    @admin.display(description="Scopes")
    def scope_names(self, token: ApiToken) -> str:
        if set(token.scopes) >= set(DEFAULT_SCOPES):
            return "all" if Scope.ADMIN in token.scopes else "all but admin"
        return ", ".join(token.scopes)

    @admin.display(description="Expires", ordering="expires_at", empty_value="never")
    def expires(self, token: ApiToken) -> Any:
        return format_moment(token.expires_at) if token.expires_at else None
