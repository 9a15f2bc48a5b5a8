"""The admin site: its name, its first page, and who gets to which model."""

from collections.abc import Iterable, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from osgp.pages.access import OrganisationScopedAdmin, PlatformOnly, ReadOnlyAdmin, get_organisation

SECTIONS = (
    "devices",
    "system_notes",
    "alarms",
    "requests",
    "batches",
    "networks",
    "readings",
    "message_logs",
    "notifications",
    "accounts",
    "audit",
    "processes",
    "auth",
    "django_celery_beat",
)
"""In which order the apps stand in the navigation; others follow."""
JOINED = {"completeness": "readings"}
"""Apps whose models stand in the section of another one."""
SECTION_NAMES = {
    "auth": "User groups",
    "batches": "Batches and schedules",
    "django_celery_beat": "Celery beat",
}


LEADING_MODELS = {"alarms": ("AlarmGroup", "Alarm", "ReceivedPush", "AlarmRule")}
"""The order of an operator's work within a section; elsewhere it is that of the names."""


NOT_TOLD = {
    "alarms.ReceivedPush": "the listener stores them; nobody changes them",
    "processes.ProcessHeartbeat": "processes do; nobody changes them",
    "accounts.ApplicationKey": "events of their own (osgp/management/application_keys.py)",
}
"""Models whose changes the audit trail does not tell of by itself, and why."""
TOLD_AS = {"accounts.ApiToken": {"ADDED": "TOKEN_ISSUED"}}
"""Events that have another name for some models."""


class HeadEndAdminSite(admin.AdminSite):
    """Operators' pages. Models are closed to users with an organisation unless their admin says otherwise."""

    site_header = "Smart metering head-end"
    site_title = "Head-end"
    index_title = "Overview"
    index_template = "admin/overview.html"
    site_url = None
    empty_value_display = "–"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        """Register models; an admin that is not made for users with an organisation is closed to them."""
        admin_class = admin_class or admin.ModelAdmin
        if not issubclass(admin_class, (OrganisationScopedAdmin, PlatformOnly)):
            admin_class = type(admin_class.__name__, (PlatformOnly, admin_class), {})
        super().register(model_or_iterable, admin_class, **options)
        given = model_or_iterable
        for model in [given] if isinstance(given, type) else given:
            self._have_changes_told(model)

    def _have_changes_told(self, model: type[Model]) -> None:
        """Have the audit trail tell of changes of what can be changed here, whoever changes it where."""
        from osgp.audit import changes  # It needs models, which are not there yet.

        own = self._registry.get(model)
        # A model that another one stands in for is not registered.
        if own is None or isinstance(own, ReadOnlyAdmin) or model._meta.label in NOT_TOLD:
            return
        for each in (model, *(inline.model for inline in own.inlines)):
            changes.track(each, TOLD_AS.get(each._meta.label))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """400 for filters with NUL, for which PostgreSQL has no text: Django hands them on as they are."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            from osgp.pages.told import told_post  # It needs models, which are not there yet.

            if any("\0" in value for _, values in request.GET.lists() for value in values):
                raise BadRequest("NUL in the query")
            return told_post(view, request, *args, **kwargs)

        return super().admin_view(checked, cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows: above all, for which organisation, and whether work is not done."""
        context = super().each_context(request)
        if self.has_permission(request):
            from osgp.pages.live import access, missing  # They need models, which are not there yet.

            context["confined_to"] = get_organisation(request)
            context["notice"] = missing.make_notice(request)
            context["live_url"] = access.find_url(request)
        return context

    def get_urls(self) -> list[Any]:
        """Those of Django's site, and the live page with its panels."""
        from osgp.pages.live import views

        return [
            path("live/", self.admin_view(views.show_page), name="live"),
            path("live/panels/", self.admin_view(views.show_panels), name="live_panels"),
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The apps in the order of an operator's work, under names that say what they are for."""
        apps: list[dict[str, Any]] = super().get_app_list(request, app_label)
        for app in apps:
            app["name"] = SECTION_NAMES.get(app["app_label"], app["name"])
            leading = LEADING_MODELS.get(app["app_label"], ())
            app["models"].sort(key=lambda model, first=leading: _find_place(model["object_name"], first))
        return sorted(_join_sections(apps), key=_find_position)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The overview: what waits, what fails, and how it went lately."""
        from osgp.pages.overview import gather_figures  # It needs models, which are not there yet.

        return super().index(request, {"overview": gather_figures(request), **(extra_context or {})})


def _join_sections(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put models beside those of another app that an operator looks at together with them."""
    by_label = {app["app_label"]: app for app in apps}
    for label, into in JOINED.items():
        if label in by_label and into in by_label:
            by_label[into]["models"] = by_label[label]["models"] + by_label[into]["models"]
            del by_label[label]
    return list(by_label.values())


def _find_position(app: dict[str, Any]) -> int:
    return _find_place(app["app_label"], SECTIONS)


def _find_place(name: str, order: Sequence[str]) -> int:
    """Where a name stands; those that are not named stand behind, in the order that they had."""
    return order.index(name) if name in order else len(order)
