"""Serializers that document the bodies about endpoints and deliveries in the API."""

from rest_framework import serializers

from osgp.notifications.endpoints import EndpointFields
from osgp.notifications.models import KINDS, DeliveryState


class WebhookEndpointSerializer(serializers.Serializer):
    """A registered endpoint and its health."""

    uid = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    messages = serializers.ListField(child=serializers.CharField())
    statuses = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    paused_at = serializers.DateTimeField(allow_null=True, help_text="Null: it is not paused.")
    pause_reason = serializers.CharField()
    consecutive_failures = serializers.IntegerField(min_value=0)
    retry_at = serializers.DateTimeField(
        allow_null=True, help_text="After many failures nothing is sent before."
    )
    last_success_at = serializers.DateTimeField(allow_null=True)
    last_failure_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(
        allow_null=True, help_text="HTTP status of the last answer; null if there was none."
    )
    last_error = serializers.CharField(help_text="Empty after a success.")
    pending = serializers.IntegerField(min_value=0, help_text="Deliveries that wait; 10,000 means more.")
    resource = serializers.CharField(help_text="Where it is read and changed.")


class NewWebhookEndpointSerializer(WebhookEndpointSerializer):
    """A registered endpoint with its secret, which is not shown again."""

    secret = serializers.CharField(help_text="whsec_ and base64; verifies signatures.")


class WebhookEndpointBodySerializer(EndpointFields):
    """An endpoint to register."""


class WebhookEndpointPageSerializer(serializers.Serializer):
    """Endpoints, latest first; the Link header with rel="next" leads on."""

    results = WebhookEndpointSerializer(many=True)


class WebhookSecretSerializer(serializers.Serializer):
    """A new secret, which is not shown again."""

    secret = serializers.CharField()


class WebhookSecretsSerializer(serializers.Serializer):
    """The secrets that sign, latest first; not what they are."""

    class WebhookSecretTimesSerializer(serializers.Serializer):
        """When a secret was made and when it ends."""

        created_at = serializers.DateTimeField()
        expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: the present one.")

    secrets = WebhookSecretTimesSerializer(many=True)


class DeliverySerializer(serializers.Serializer):
    """A notification to one endpoint, and its last attempts."""

    class AttemptSerializer(serializers.Serializer):
        """What came of an attempt."""

        at = serializers.DateTimeField()
        status_code = serializers.IntegerField(allow_null=True, help_text="Null: there was no answer.")
        error = serializers.CharField(help_text="Empty: it was delivered.")
        seconds = serializers.FloatField(min_value=0)
        response = serializers.CharField(help_text="How the body of the answer begins.")

    id = serializers.IntegerField()
    webhook_id = serializers.CharField(help_text="The same in each attempt.")
    type = serializers.ChoiceField(choices=KINDS)
    device_identification = serializers.CharField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=DeliveryState.values)
    attempts = serializers.IntegerField(min_value=0)
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="Null: it is over.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    log = AttemptSerializer(many=True, help_text="The last 40 attempts, oldest first.")


class DeliveryPageSerializer(serializers.Serializer):
    """Deliveries, latest first; the Link header with rel="next" leads on."""

    results = DeliverySerializer(many=True)


class ReplayedSerializer(serializers.Serializer):
    """How many deliveries are sent again."""

    replayed = serializers.IntegerField(min_value=0, help_text="10,000 at most; a later call goes on.")
