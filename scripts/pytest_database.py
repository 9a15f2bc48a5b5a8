"""pytest plugin: only the tests that have a database.

Others are kept from it by pytest-django, and send no messages, as these are of rows: what they say cannot
depend on the kind of database and broker, and they ran with the first ones. A test that has no fixture of the
database but uses it in another way is marked `back_end`.
"""

import pytest

FIXTURES = {"db", "transactional_db", "django_db_setup"}
"""Of pytest-django; all others of the database ask for one of them."""


def has_database(item: pytest.Item) -> bool:
    """Whether a test may touch the database."""
    markers = ("django_db", "back_end")
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) or any(
        item.get_closest_marker(marker) for marker in markers
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the others away; pytest tells how many they are."""
    others = [item for item in items if not has_database(item)]
    if others:
        items[:] = [item for item in items if has_database(item)]
        config.hook.pytest_deselected(items=others)
