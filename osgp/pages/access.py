"""Whom the admin shows what: a user with an organisation sees only what that organisation may see.

Access is denied unless a model says otherwise: the admin of a model that is not an
:class:`OrganisationScopedAdmin` is closed to users with an organisation (osgp/pages/site.py), whatever
permissions they have.
"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from osgp.accounts.models import Organisation, User


def get_organisation(request: HttpRequest) -> Organisation | None:
    """The organisation that the signed-in user is confined to; None: operators of the platform see all."""
    user = request.user
    return user.organisation if isinstance(user, User) else None


class OrganisationScopedAdmin(admin.ModelAdmin):
    """An admin that users with an organisation may use as well, for the rows of their organisation."""

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        """The rows that an organisation may see; every page and every choice is limited to them.

        Its own ones, unless an admin says otherwise.
        """
        return queryset.filter(organisation=organisation)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        organisation = get_organisation(request)
        return queryset if organisation is None else self.visible_to(queryset, organisation)


class GrantingAdmin(OrganisationScopedAdmin):
    """Rows that let an application of an organisation do something; they are added, and not edited."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        organisation = get_organisation(request)
        if db_field.name == "organisation" and organisation is not None:
            options["queryset"] = Organisation.objects.filter(pk=organisation.pk)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One button: there is nothing to go on with."""
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**one_button, **(extra_context or {})})


class PlatformOnly:
    """Mixed into every other admin: only users without an organisation get in."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse it before Django looks whether there is such a row."""
        if get_organisation(request) is not None:
            raise PermissionDenied
        page: HttpResponse = super().history_view(request, object_id, extra_context)  # type: ignore[misc]
        return page

    def has_module_permission(self, request: HttpRequest) -> bool:
        return get_organisation(request) is None and super().has_module_permission(request)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_view_permission(request, obj)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return get_organisation(request) is None and super().has_add_permission(request, *args)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_delete_permission(request, obj)  # type: ignore[misc]


class ReadOnlyAdmin(OrganisationScopedAdmin):
    """Rows that only the platform itself changes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
