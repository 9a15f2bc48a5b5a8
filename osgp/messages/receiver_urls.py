"""The field for the URL of a receiver of notifications."""

from typing import Any

from osgp.events import receivers
from osgp.events.models import LONGEST_URL
from osgp.messages.serializers import CharField


class ReceiverUrlField(CharField):
    """An https URL without credentials and fragment, not of a private network (osgp/events/receivers.py)."""

    default_error_messages = {"url": "{problem}"}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": LONGEST_URL} | options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            receivers.parse_url(text)
        except ValueError as error:
            self.fail("url", problem=str(error))
        return text
