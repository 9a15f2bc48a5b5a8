"""Which of several refusals of a buffer a caller is told."""

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.messages.buffer_reading import _choose_refusal
from osgp.protocol_dlms import AccessResult
from osgp.protocol_dlms.errors import AccessError, ExceptionResponse

BUFFER = AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)


def test_one_that_may_pass_is_told() -> None:
    """Over UDP a meter that has lost the association answers with exceptions, which a retry mends."""
    refused = AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, BUFFER)
    lost = ExceptionResponse("service-not-allowed", 1, 1)
    assert lost.retryable
    assert not refused.retryable
    assert _choose_refusal([refused, lost]) is lost
    assert _choose_refusal([refused, refused]) is refused
