"""How pages are rendered, links to the page of a row, and what such pages have in common."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def render_page(
    model_admin: admin.ModelAdmin, request: HttpRequest, template: str, /, **context: Any
) -> TemplateResponse:
    """A page of the site below the list of a model."""
    site = model_admin.admin_site.each_context(request)
    return TemplateResponse(request, template, {**site, "opts": model_admin.opts, **context})


def get_page_url(model: type[Model] | Model, key: Any) -> str:
    """Where a row is looked at, by its primary key."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[key])


def link_to(row: Model, text: Any, kind: str = "") -> SafeString:
    """A link to the page of a row, behind a word that says what it is."""
    link = format_html('<a href="{}">{}</a>', get_page_url(row, row.pk), text)
    return format_html('<span class="quiet">{}</span> {}', kind, link) if kind else link


def get_page_number(request: HttpRequest) -> str:
    """The primary key of the row on whose page a button was pressed; empty: it was pressed on the list."""
    number: str = request.POST.get("back", "")
    return number if number.isdigit() else ""


def return_to_page(model: type[Model], request: HttpRequest) -> HttpResponse | None:
    """To the page on which a button was pressed; None, by which Django shows the list, if there was none."""
    number = get_page_number(request)
    return HttpResponseRedirect(get_page_url(model, number)) if number else None


class ShownRow(admin.ModelAdmin):
    """The page of a row has no form: nothing can be posted to it."""

    detail_template: str

    def describe(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page shows of a row, besides ``original``, which is the row itself."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The row. 403 for those who may not see it, and for all methods but GET and HEAD."""
        row = self.get_object(request, object_id)
        if not self.has_view_permission(request, row) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if row is None:
            return self.redirect_from_missing(request, object_id)
        return render_page(self, request, self.detail_template, original=row, **self.describe(request, row))

    def redirect_from_missing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the overview, with a message that there is no such row."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]


class EditedRow(admin.ModelAdmin):
    """The page of a row has Django's form, and above it what else is known of the row."""

    def describe(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page shows above the form."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {"subtitle": None}
        if row is not None and self.has_view_permission(request, row):
            context |= self.describe(request, row)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})
