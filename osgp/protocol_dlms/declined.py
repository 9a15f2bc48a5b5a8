"""Services that a meter may decline, or answer with invalid data, without harm to the association."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.session import Session

P = ParamSpec("P")
T = TypeVar("T")


def call_unless_declined(
    session: Session, service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
) -> T | errors.IllegalResponse:
    """Call a service; return the error if the meter declined only this request or sent invalid data.

    The exchange is in order then, and the association stays usable.
    """
    try:
        return service(session, *args, **kwargs)
    except errors.ExceptionResponse as answer:
        if answer.declines_request:
            return answer
        raise
    except errors.DecodeError as error:
        return error
