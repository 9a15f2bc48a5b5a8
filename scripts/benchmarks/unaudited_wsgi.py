"""The web application without the audit entry of a POST: the peer that says what the entry costs."""

from typing import Any

from osgp.wsgi import application

__all__ = ["application"]


def _leave_out(*_: Any, **__: Any) -> int:
    return 0


def _patch() -> None:
    from osgp.requests import submission  # It needs models, which the application has loaded by now.

    submission.record = _leave_out


_patch()
