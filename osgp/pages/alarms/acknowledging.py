"""Acknowledging from lists and pages: so much at once, and the rest of a storm in the background."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest
from kombu.exceptions import OperationalError as BrokerError

from osgp.alarms import tasks
from osgp.alarms.acknowledging import acknowledge, list_alarms_to_acknowledge
from osgp.alarms.finding import MAY_ACKNOWLEDGE, list_alarms
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.pages.access import get_organisation
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.sending import name_sender

AT_ONCE = 10_000
"""Alarms that are acknowledged while the user waits: about a second."""
MOST_GROUPS = 200
"""Groups that one click may acknowledge."""
NONE = "None of these alarms is open and of a device that you own or manage."


class NoteForm(ActionForm):
    """The action, and what to say of the alarms."""

    note = forms.CharField(
        required=False,
        max_length=500,
        label="Note:",
        widget=forms.TextInput(attrs={"placeholder": "optional", "class": "note-of-action"}),
    )


class AcknowledgedRows(admin.ModelAdmin):
    """A list of which to acknowledge is the only action: nobody has to choose it."""

    action_form = NoteForm

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """To acknowledge is all that the permission to change alarms allows."""
        return request.user.has_perm("alarms.change_alarm")

    def get_action_choices(self, request: HttpRequest, default_choices: Any = ()) -> list[tuple[str, str]]:
        """Without the one that does nothing."""
        choices: list[tuple[str, str]] = super().get_action_choices(request, [])
        return choices


def acknowledge_alarms(request: HttpRequest, chosen: QuerySet[Alarm]) -> None:
    """Acknowledge the first AT_ONCE of these alarms, and say how many that were."""
    keys = list(chosen.filter(acknowledged_at__isnull=True).values_list("pk", flat=True)[: AT_ONCE + 1])
    may = list_alarms(get_organisation(request), MAY_ACKNOWLEDGE).filter(pk__in=keys[:AT_ONCE])
    number = acknowledge(may, name_sender(request.user.get_username()), _read_note(request))
    if not number:
        messages.warning(request, NONE)
        return
    messages.success(request, f"{count_rows(number, 'alarm')} acknowledged.")
    if len(keys) > AT_ONCE:
        messages.warning(
            request,
            f"Others are still open: {AT_ONCE:,} at most are acknowledged at once. Groups have no limit.",
        )


def acknowledge_groups(request: HttpRequest, chosen: QuerySet[AlarmGroup]) -> None:
    """Acknowledge the alarms of these groups that came until now, the first AT_ONCE before it returns."""
    keys = list(chosen.filter(unacknowledged__gt=0).values_list("pk", flat=True)[: MOST_GROUPS + 1])
    groups, organisation = keys[:MOST_GROUPS], get_organisation(request)
    # What comes from now on, nobody has seen.
    last = Alarm.objects.aggregate(last=Max("pk"))["last"] or 0
    alarms = list_alarms_to_acknowledge(organisation, groups, last)
    by, note = name_sender(request.user.get_username()), _read_note(request)
    number = acknowledge(alarms, by, note, most=AT_ONCE) if groups else 0
    if not number:
        messages.warning(request, NONE)
        return
    messages.success(request, f"{count_rows(number, 'alarm')} acknowledged.")
    if len(keys) > MOST_GROUPS:
        messages.warning(request, f"Others are still open: {MOST_GROUPS} groups at most are taken at once.")
    if alarms.filter(acknowledged_at__isnull=True).exists():
        arguments = (None if organisation is None else organisation.pk, groups, last, by, note)
        _hand_over(request, groups, arguments)


def _hand_over(request: HttpRequest, groups: Sequence[int], arguments: tuple[Any, ...]) -> None:
    left = AlarmGroup.objects.filter(pk__in=groups).aggregate(left=Sum("unacknowledged"))["left"] or 0
    try:
        tasks.acknowledge.apply_async(args=arguments)
    except BrokerError:
        text = "The broker cannot be reached: the other alarms stay open. Acknowledge them again later."
        messages.error(request, text)
    else:
        messages.info(request, f"The others, about {left:,}, follow in the background.")


def _read_note(request: HttpRequest) -> str:
    """What NoteForm took; of a page, which has a field of the same name."""
    return request.POST.get("note", "").strip()
