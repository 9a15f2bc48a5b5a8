"""Error reports of Django: its debug page, and mails to administrators."""

from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class ErrorReportFilter(SafeExceptionReporterFilter):
    """Leaves out the variables of all frames: where keys are handled, they are keys.

    Names do not tell which, as keys are handed on to functions of the standard library and others.
    """

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        """Return none."""
        return {}.items()
