"""Reads of which nothing came fail with the fault that tells whether to try again."""

import pytest

from osgp.faults import Fault, FaultCode
from osgp.messages.partial_reads import ReadField, require_any


def fault(message: str, *, retryable: bool) -> Fault:
    return Fault(FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE, message, retryable=retryable)


FOR_NOW = fault("temporary-failure", retryable=True)
FOR_GOOD = fault("object-undefined", retryable=False)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ([FOR_GOOD, FOR_NOW], FOR_NOW),
        ([FOR_NOW, FOR_GOOD], FOR_NOW),
        ([FOR_GOOD, fault("read-write-denied", retryable=False)], FOR_GOOD),
    ],
)
def test_without_any_value_the_fault_that_may_pass_counts(faults: list[Fault], told: Fault) -> None:
    with pytest.raises(Fault) as info:
        require_any([ReadField("a", None, each) for each in faults])
    assert info.value is told


def test_one_value_is_enough() -> None:
    require_any([ReadField("a", None, FOR_NOW), ReadField("b", None, None)])
    require_any([])
