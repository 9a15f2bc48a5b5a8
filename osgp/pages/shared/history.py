"""Requests and batches alike: rows that are listed, looked at, cancelled, and sent anew, but never edited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from osgp.messages.operation import Operation
from osgp.pages.access import ReadOnlyAdmin
from osgp.pages.shared.lists import LongList
from osgp.pages.shared.message_forms import MessageForm, describe_operation
from osgp.pages.shared.page import ShownRow, get_page_number, get_page_url, render_page
from osgp.pages.shared.sending import submit_form


@dataclass(frozen=True)
class Question:
    """What is asked before rows are steered."""

    title: str
    text: str
    button: str


@dataclass(frozen=True)
class NewMessage:
    """A message on its way to be sent: what it is to be is chosen first, then its form is filled in."""

    choose: forms.Form
    operation: Operation | None = None
    form: MessageForm | None = None
    """None until all is chosen."""
    submit: Callable[[], Model] | None = None
    """Stores what a valid form says; raises rest_framework ValidationError or Fault. None without a form."""
    context: dict[str, Any] = field(default_factory=dict)
    """What else the page shows."""


class HistoryAdmin(ShownRow, LongList, ReadOnlyAdmin):
    """Who may add rows sends messages; who may change them cancels what was sent."""

    new_template: str
    confirm_template: str
    most_at_once: int
    """Rows that one click may steer."""
    most_named = 20
    """Rows that a confirmation names one by one."""

    # --- Who may what ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        """To send messages; rows are never added in any other way."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Who may send messages may send them again."""
        return self.has_add_permission(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling is all that the permission to change rows allows."""
        return admin.ModelAdmin.has_change_permission(self, request)

    # --- Confirmation of actions ---

    def add_figures(self, rows: Sequence[Any]) -> None:
        """What a confirmation shows of its rows besides their columns."""

    def ask(
        self, request: HttpRequest, queryset: QuerySet[Any], action: str, question: Question
    ) -> HttpResponse | None:
        """The page that asks whether to go on; None when that was answered with yes."""
        if "confirmed" in request.POST:
            return None
        selected: list[Any] = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across") == "1"
        count = self.get_paginator(request, queryset, 1).count if across else len(selected)
        named = list(queryset[: self.most_named])
        if across and len(named) >= min(count, self.most_at_once):
            # All are named: then these are meant, whatever joins the list meanwhile.
            across, selected = False, [row.pk for row in named]
        self.add_figures(named)
        back = get_page_number(request)
        return render_page(
            self,
            request,
            self.confirm_template,
            action=action,
            title=question.title,
            text=question.text,
            button=question.button,
            back=back,
            back_url=get_page_url(self.model, back) if back else "",
            # Django wants at least one row to be selected, even if all are.
            selected=selected[:1] if across else selected,
            select_across=across,
            count=count,
            most=self.most_at_once,
            named=named,
        )

    # --- Sending ---

    def prepare(self, request: HttpRequest) -> NewMessage:
        """What was chosen and filled in so far."""
        raise NotImplementedError

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose what to send (GET), then fill in its parameters (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        new = self.prepare(request)
        form = new.form
        if form is not None and new.submit is not None and request.method == "POST" and form.is_valid():
            sent = submit_form(form, new.submit)
            if sent is not None:
                self.log_addition(request, sent, "Sent from the admin.")
                messages.success(request, f"{self.describe_sent(sent)} was accepted.")
                return HttpResponseRedirect(get_page_url(self.model, sent.pk))
        return render_page(
            self,
            request,
            self.new_template,
            title=f"New {self.opts.verbose_name}",
            choose=new.choose,
            form=form,
            operation=new.operation,
            description=describe_operation(new.operation),
            media=self.media + new.choose.media + (form.media if form is not None else forms.Media()),
            **new.context,
        )

    def describe_sent(self, row: Any) -> str:
        """What was sent to whom, in a few words."""
        raise NotImplementedError
