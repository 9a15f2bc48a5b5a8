"""The web application without the audit entry of a POST: the peer that says what the entry costs."""

from typing import Any

from osgp.requests import submission
from osgp.wsgi import application


def _leave_out(*_: Any, **__: Any) -> int:
    return 0


submission.record = _leave_out

__all__ = ["application"]
