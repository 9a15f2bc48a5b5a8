"""Serializers that document the bodies about schedules in the API."""

from rest_framework import serializers

from osgp.fleet.api.serializers import CONTENT, BatchSummarySerializer
from osgp.fleet.schedule_submission import PERIODS, ScheduleFields


class ScheduleBodySerializer(ScheduleFields):
    """A schedule: the message with its parameters, the devices, and when."""


class OccurrenceTimeSerializer(serializers.Serializer):
    """When a schedule is due."""

    time = serializers.DateTimeField(help_text="In UTC.")
    local_time = serializers.DateTimeField(help_text="The same on the clocks of time_zone.")


class PreviewSerializer(serializers.Serializer):
    """The next occurrences of a body that was not stored; fewer than asked for if its crontab ends before."""

    time_zone = serializers.CharField()
    next_occurrences = OccurrenceTimeSerializer(many=True)


class ScheduleSummarySerializer(serializers.Serializer):
    """A schedule as a row of a list."""

    id = serializers.IntegerField(help_text="Stays when the name changes.")
    name = serializers.CharField()
    message = serializers.CharField()
    content = serializers.CharField(help_text=CONTENT)
    parameters = serializers.DictField()
    device_group = serializers.CharField(allow_null=True, help_text="Null for a list of devices.")
    number_of_devices = serializers.IntegerField(min_value=0, help_text="In the list, or now in the group.")
    cron = serializers.CharField(allow_null=True)
    time_zone = serializers.CharField(allow_null=True, help_text="Null for an interval.")
    every = serializers.IntegerField(allow_null=True, min_value=1)
    period = serializers.ChoiceField(choices=PERIODS, allow_null=True)
    starts_at = serializers.DateTimeField()
    priority = serializers.IntegerField(min_value=0, max_value=9)
    bypass_retry = serializers.BooleanField()
    spread_seconds = serializers.IntegerField(min_value=0)
    max_duration_seconds = serializers.IntegerField(allow_null=True, min_value=1)
    enabled = serializers.BooleanField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is paused.")
    last_at = serializers.DateTimeField(allow_null=True, help_text="The last occurrence that was due.")
    missed = serializers.IntegerField(
        min_value=0, help_text="Occurrences that passed without a batch, as the platform was down."
    )
    created_at = serializers.DateTimeField()
    url = serializers.CharField()


class ScheduleSerializer(ScheduleSummarySerializer):
    """A schedule with the devices of its list and its next occurrences."""

    device_identifications = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Null for a group."
    )
    next_occurrences = OccurrenceTimeSerializer(many=True, help_text="Five at most; none while it is paused.")
    occurrences_url = serializers.CharField(help_text="Its past occurrences.")


class SchedulePageSerializer(serializers.Serializer):
    """Schedules, latest first; the Link header with rel="next" leads on."""

    results = ScheduleSummarySerializer(many=True)


class OccurrencePageSerializer(serializers.Serializer):
    """Past occurrences, latest first; the Link header with rel="next" leads on."""

    class OccurrenceSerializer(BatchSummarySerializer):
        """The batch of an occurrence; its url tells the progress."""

        occurrence = serializers.DateTimeField()

    missed = serializers.IntegerField(min_value=0, help_text="Occurrences that passed without a batch.")
    results = OccurrenceSerializer(many=True)
