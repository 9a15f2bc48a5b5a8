"""When a request is tried again."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from osgp.faults import Fault, FaultCode
from osgp.requests.models import Request
from osgp.visits import retries


def a_request(**fields: object) -> Request:
    return Request(**{"attempts": 1} | fields)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 30), (2, 60), (3, 120), (20, 21600), (99, 21600)])
def test_waits_double_and_are_spread(attempt: int, seconds: int) -> None:
    delays = {retries.compute_delay(attempt) for _ in range(200)}
    assert min(delays) >= timedelta(seconds=seconds * 0.75)
    assert max(delays) <= timedelta(seconds=seconds * 1.25)
    assert len(delays) > 100


FAILED = Fault(FaultCode.CONNECTION_ERROR, "The line dropped.", retryable=True).as_dict()
PERMANENT = Fault(FaultCode.VALIDATION_ERROR, "It cannot be.").as_dict()


def test_three_attempts_in_all() -> None:
    assert retries.find_next_delay(a_request(attempts=2), FAILED) is not None
    assert retries.find_next_delay(a_request(attempts=3), FAILED) is None


def test_the_number_of_attempts_is_a_setting(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"MAX_ATTEMPTS": 1}
    assert retries.find_next_delay(a_request(attempts=1), FAILED) is None


def test_permanent_faults_are_not_tried_again() -> None:
    assert retries.find_next_delay(a_request(), PERMANENT) is None


def test_bypass_retry_means_one_attempt() -> None:
    assert retries.find_next_delay(a_request(bypass_retry=True), FAILED) is None


def test_priority_falls_step_by_step_to_zero() -> None:
    assert [retries.lower_priority(priority) for priority in (9, 4, 1, 0)] == [8, 3, 0, 0]
