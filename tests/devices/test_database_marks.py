"""The mark of a PostgreSQL database: what it is made of, and what may be missing."""

import re
from collections.abc import Iterator

import pytest
from django.db import ProgrammingError, connection

from osgp.devices import database_marks
from osgp.devices.models import CounterGeneration, KeyCounter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has its mark in a file.")
    monkeypatch.setattr(database_marks, "_left_out", set())


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def role() -> Iterator[str]:
    """An ordinary role that is at work. Databases of a server share roles: it is named after this one."""
    name = connection.ops.quote_name(f"{connection.settings_dict['NAME']}_role")
    execute(f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name}")
    execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}", f"SET ROLE {name}")
    yield name
    execute("RESET ROLE", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.usefixtures("role")
def test_an_ordinary_role_may_read_all_of_it() -> None:
    seen, mark = database_marks.read()
    assert seen == ""
    assert re.fullmatch(r"system \d{15,20}, timeline [0-9A-F]{8}, database \d+, counters \d+", mark)
    assert database_marks.read() == (seen, mark)
    CounterGeneration._meta.get_field("mark").run_validators(mark)


def test_what_a_role_may_not_read_is_left_out(role: str, caplog: pytest.LogCaptureFixture) -> None:
    function = "FUNCTION pg_catalog.pg_control_system()"
    execute("RESET ROLE", f"REVOKE EXECUTE ON {function} FROM PUBLIC", f"SET ROLE {role}")
    try:
        marks = {database_marks.read() for _ in range(3)}
    finally:
        execute("RESET ROLE", f"GRANT EXECUTE ON {function} TO PUBLIC")
    ((_, mark),) = marks
    assert re.fullmatch(r"timeline [0-9A-F]{8}, database \d+, counters \d+", mark)
    assert caplog.text.count("not permitted to read of the database: system") == 1


def test_a_table_that_is_missing_is_no_matter_of_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_marks, "_SEEN", "(SELECT mark FROM no_such_table)")
    with pytest.raises(ProgrammingError, match="no_such_table"):
        database_marks.read()
    assert database_marks._left_out == set()


def test_a_new_table_of_counters_is_another_database() -> None:
    _, before = database_marks.read()
    table = KeyCounter._meta.db_table
    execute(f"ALTER TABLE {table} RENAME TO former", f"CREATE TABLE {table} (id int)")
    try:
        _, after = database_marks.read()
    finally:
        execute(f"DROP TABLE {table}", f"ALTER TABLE former RENAME TO {table}")
    assert after != before == database_marks.read()[1]
