"""Registering and changing endpoints, their secrets, and sending again what they missed.

A secret is shown in the answer to the very call that made it, and nowhere else: no cookie, session, message
or history ever holds it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.notifications import endpoints, replaying
from osgp.notifications.endpoints import NoKeys
from osgp.notifications.models import Endpoint
from osgp.notifications.replaying import MOST_REPLAYED, ReplayFields
from osgp.pages.access import get_organisation
from osgp.pages.notifications.display import get_deliveries_url, name_endpoint, name_url, show_endpoint
from osgp.pages.notifications.forms import EndpointForm, ReplayForm, RotationForm, ServiceForm
from osgp.pages.notifications.history import DiscreetHistory
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.page import ShownRow, get_page_url, render_page
from osgp.pages.shared.sending import name_sender, submit_form

REPLAYED = timedelta(hours=24)
"""How far back deliveries are sent again unless somebody says otherwise."""


class EndpointEditing(DiscreetHistory, ShownRow):
    """The pages with forms of an endpoint, and its deletion."""

    def get_urls(self) -> list[URLPattern]:
        views = {"edit": self.edit_view, "rotate": self.rotate_view, "replay": self.replay_view}
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"notifications_endpoint_{name}",
                )
                for name, view in views.items()
            ),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Sending again is all that the permission to change deliveries allows."""
        return request.user.has_perm("notifications.change_delivery")

    # --- Register and change ---

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Register an endpoint, and show its secret once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        own = get_organisation(request)
        organisations = Organisation.objects.all() if own is None else Organisation.objects.filter(pk=own.pk)
        form = EndpointForm(_get_posted(request), organisations=organisations)
        if form.is_valid():
            organisation = form.cleaned_data["organisation"]
            by = name_sender(request.user.get_username())
            made = _submit(form, lambda: endpoints.register(organisation, form.build_body(), by=by))
            if made is not None:
                endpoint, secret = made
                self.log_addition(request, endpoint, "Registered.")
                return self._show_secret(request, endpoint, secret, "Endpoint registered")
        return self._show_form(request, form, "New webhook endpoint", None)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change everything but the organisation and the secret."""
        endpoint = self._find(request, object_id, self.has_change_permission)
        if endpoint is None:
            return self.redirect_from_missing(request, object_id)
        form = EndpointForm(
            _get_posted(request), organisations=Organisation.objects.none(), endpoint=endpoint
        )
        if form.is_valid():
            changed = _submit(form, lambda: endpoints.change(endpoint, form.build_body()))
            if changed is not None:
                self.log_change(request, endpoint, "Changed.")
                messages.success(request, f"The endpoint {name_endpoint(endpoint)} was saved.")
                return HttpResponseRedirect(get_page_url(Endpoint, endpoint.pk))
        return self._show_form(request, form, "Change", endpoint)

    def _show_form(
        self, request: HttpRequest, form: EndpointForm, title: str, endpoint: Endpoint | None
    ) -> HttpResponse:
        return render_page(
            self,
            request,
            "admin/notifications/endpoint/edit.html",
            title=title,
            button="Save",
            form=form,
            original=endpoint,
            name=show_endpoint(endpoint) if endpoint is not None else "",
            media=self.media + form.media,
        )

    # --- Secrets ---

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a new secret, and show it once."""
        endpoint = self._find(request, object_id, self.has_change_permission)
        if endpoint is None:
            return self.redirect_from_missing(request, object_id)
        form = RotationForm(_get_posted(request))
        if form.is_valid():
            by = name_sender(request.user.get_username())
            body = form.build_body()
            secret = _submit(
                form, lambda: endpoints.rotate_secret(endpoint.organisation, endpoint, body, by=by)
            )
            if secret is not None:
                overlap = count_rows(form.cleaned_data["overlap_hours"], "hour")
                text = f"Secret rotated; the former one goes on for {overlap}."
                self.log_change(request, endpoint, text)
                return self._show_secret(request, endpoint, secret, "Secret rotated")
        description = (
            "The new secret is shown once, on the next page. Give it to the receiver during the overlap."
        )
        return self._show_small_form(request, form, endpoint, "Rotate secret", description)

    def _show_secret(self, request: HttpRequest, endpoint: Endpoint, secret: str, title: str) -> HttpResponse:
        template = "admin/notifications/endpoint/issued.html"
        return render_page(
            self,
            request,
            template,
            title=title,
            endpoint=endpoint,
            name=show_endpoint(endpoint),
            secret=secret,
        )

    # --- Send again ---

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send deliveries of a time again."""
        endpoint = self._find(request, object_id, lambda request, _: self.has_replay_permission(request))
        if endpoint is None:
            return self.redirect_from_missing(request, object_id)
        now = platform_time.now().replace(microsecond=0)
        form = ReplayForm(_get_posted(request), {"from": now - REPLAYED, "until": now})
        if form.is_valid():
            number = _submit(form, lambda: _replay(endpoint, form.build_body()))
            if number is not None:
                self.log_change(
                    request, endpoint, f"{count_rows(number, 'delivery', 'deliveries')} replayed."
                )
                _report_replayed(request, number)
                url = get_deliveries_url(endpoint, "PENDING" if number else "")
                may_see = request.user.has_perm("notifications.view_delivery")
                return HttpResponseRedirect(url if may_see else get_page_url(Endpoint, endpoint.pk))
        description = (
            "Deliveries that were made in this time are sent again by a new schedule, with the same ids, "
            f"{MOST_REPLAYED:,} at a time."
        )
        return self._show_small_form(request, form, endpoint, "Replay", description)

    def _show_small_form(
        self, request: HttpRequest, form: ServiceForm, endpoint: Endpoint, title: str, description: str
    ) -> HttpResponse:
        return render_page(
            self,
            request,
            "admin/notifications/endpoint/small_form.html",
            title=title,
            button=title,
            description=description,
            form=form,
            fields=list(form),
            original=endpoint,
            name=show_endpoint(endpoint),
            media=self.media + form.media,
        )

    # --- Delete ---

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its deliveries stay for as long as others; they are too many to be listed."""
        return [name_endpoint(row) for row in objs], {"webhook endpoints": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        endpoints.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for endpoint in queryset:
            endpoints.delete(endpoint)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Messages are kept in cookies, where no URL of a receiver belongs."""
        return super().response_delete(request, name_url(obj_display), obj_id)

    def _find(
        self, request: HttpRequest, object_id: str, may: Callable[[HttpRequest, Model | None], bool]
    ) -> Endpoint | None:
        """An endpoint that the user may see. Raises PermissionDenied if they may not do this with it."""
        row = self.get_object(request, object_id)
        if not may(request, row) or not self.has_view_permission(request, row):
            raise PermissionDenied
        assert row is None or isinstance(row, Endpoint)
        return row


def _get_posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _submit(form: ServiceForm, submit: Callable[[], Any]) -> Any:
    """What the service answers; None if it refuses, the reasons then being in the form."""
    try:
        return submit_form(form, submit)
    except NoKeys as error:
        form.add_error(None, str(error))
        return None


def _replay(endpoint: Endpoint, body: dict[str, Any]) -> int:
    fields = ReplayFields(data=body)
    fields.is_valid(raise_exception=True)
    asked = fields.validated_data
    return replaying.replay_all(endpoint, asked["from"], asked["until"], asked["states"])


def _report_replayed(request: HttpRequest, number: int) -> None:
    if not number:
        messages.info(request, "No delivery of this time is in one of these states.")
        return
    text = f"{count_rows(number, 'delivery', 'deliveries')} sent again."
    more = " There may be more: replay again." if number >= MOST_REPLAYED else ""
    messages.success(request, text + more)
