"""What the tests of this directory share."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django import Settings

from osgp.accounts.models import Organisation
from tests.chaos import promises
from tests.chaos.odd_messages.operations import ODD_MESSAGES
from tests.requests.operations import registered
from tests.state_check import refusals


@pytest.fixture
def short_times(settings: Settings) -> None:
    """For threads of this process what promises.ENVIRONMENT is for processes."""
    names = {
        "SESSION_LEASE": "OSGP_SESSION_LEASE_SECONDS",
        "HINT_TIMEOUT": "OSGP_HINT_TIMEOUT_SECONDS",
        "DISPATCH_INTERVAL": "OSGP_DISPATCH_INTERVAL_SECONDS",
        "RETRY_DELAY": "OSGP_RETRY_DELAY_SECONDS",
    }
    short = {name: timedelta(seconds=float(promises.ENVIRONMENT[key])) for name, key in names.items()}
    settings.OSGP = settings.OSGP | short


@pytest.fixture
def work(transactional_db: None, organisation: Organisation, short_times: None) -> Iterator[promises.Work]:
    """A few simulated meters to ask things of; odd messages are known. Whatever happens, no process may try
    to change a state otherwise than its table says.
    """
    refused = refusals()
    with registered(*ODD_MESSAGES), promises.fleet(organisation) as work:
        yield work
    assert refusals() == refused
