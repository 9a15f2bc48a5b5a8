"""What log lines leave out."""

import logging


class RefusalsInALine(logging.Filter):
    """Django's refusals of senseless calls (``django.security``): without their traceback.

    Anybody can send such a call, as often as they like, and what is wrong with it is in the message.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        if record.name.startswith("django.security."):
            record.exc_info = record.exc_text = None
        return True
