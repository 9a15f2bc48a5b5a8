"""Celery beat's own pages, as far as schedules depend on what is changed there.

What the stock pages change in bulk sends no signals, and what they save is checked only once it is stored:
a schedule would go on that everybody takes for paused, and one that is never due would end in an error page.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp import platform_time
from osgp.fleet import occurrences, schedules
from osgp.messages.serializers import list_time_zones


class BeatTaskAdmin(beat.PeriodicTaskAdmin):
    """Periodic tasks: disabled or enabled, one or many, they pause or resume their schedules."""

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._follow(super().enable_tasks, request, queryset)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._follow(super().disable_tasks, request, queryset)

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._follow(super().toggle_tasks, request, queryset)

    @staticmethod
    def _follow(action: Any, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        # Chosen before: what filters the list may be what is about to change.
        chosen = list(queryset.values_list("pk", flat=True))
        action(request, queryset)
        schedules.follow_beat(chosen)


class UsedScheduleForm(forms.ModelForm):
    """A crontab or interval that schedules use keeps having occurrences."""

    def clean(self) -> dict[str, Any] | None:
        """Whether it is ever due, and not too often; asked of those in use only."""
        cleaned = super().clean()
        changed = self.instance
        if changed.pk is None or self.errors or not schedules.find_by_recurrence(changed).exists():
            return cleaned
        fields = {name: value for name, value in self.cleaned_data.items() if hasattr(changed, name)}
        becomes, now = type(changed)(**fields), platform_time.now()
        try:
            occurrences.find_next(becomes, now, anchor=now)
            gap = occurrences.find_shortest_gap(becomes, now)
        except occurrences.NeverDue as error:
            self.add_error(None, f"Schedules use this: {error}")
            return {}  # The page shows the row, which must not become what it cannot show.
        wider = schedules.find_by_recurrence(changed).filter(spread__gt=gap).order_by("name").first()
        if wider is not None:
            longer = "its spread would be longer than the time between occurrences"
            self.add_error(None, f"The schedule {wider} uses this: {longer}.")
            return {}
        return cleaned


class CrontabForm(UsedScheduleForm):
    """A crontab whose zone is one for schedules too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        zones = self.fields["timezone"]
        assert isinstance(zones, forms.ChoiceField)
        offered: list[Any] = list(zones.choices)  # type: ignore[arg-type]
        kept = {*list_time_zones(), "", str(self.instance.timezone)}
        zones.choices = [(zone, text) for zone, text in offered if str(zone) in kept]


class UsedIntervalAdmin(beat.IntervalScheduleAdmin):
    form = UsedScheduleForm


class UsedCrontabAdmin(beat.CrontabScheduleAdmin):
    form = CrontabForm


for model, page in (
    (PeriodicTask, BeatTaskAdmin),
    (IntervalSchedule, UsedIntervalAdmin),
    (CrontabSchedule, UsedCrontabAdmin),
):
    admin.site.unregister(model)
    admin.site.register(model, page)
