"""Which tests run on both kinds of database and broker, and which once."""

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.fixture
def row(db): ...

def test_without(tmp_path): ...
def test_with(db): ...
def test_with_what_is_committed(transactional_db): ...
def test_through_a_fixture(row): ...
@pytest.mark.django_db
def test_by_its_mark(): ...
@pytest.mark.back_end
def test_that_starts_something(): ...
class TestOfAClass:
    pytestmark = pytest.mark.django_db
    def test_in_it(self): ...
"""


def test_those_without_a_database_are_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    told = pytester.runpytest("--collect-only", "-q", "-p", "scripts.pytest_database")
    told.stdout.fnmatch_lines("6/7 tests collected (1 deselected)*")
    told.stdout.no_fnmatch_line("*::test_without")
