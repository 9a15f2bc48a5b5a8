"""Settings that promises depend on."""

from pathlib import Path

import pytest
from django.db import connection

from osgp.database_settings import database

VAR_DIR = Path("var")


def test_what_the_database_url_says_is_kept() -> None:
    said = "sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3"
    options = database(f"postgresql://u:p@db/osgp?{said}", VAR_DIR, idle_transaction=30)["OPTIONS"]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert int(options["connect_timeout"]) == 3
    assert options["tcp_user_timeout"] == 60_000


def test_a_pooler_that_takes_no_options_gets_none() -> None:
    url = "postgresql://u:p@pooler:6432/osgp"
    assert "options" in database(url, VAR_DIR, idle_transaction=30)["OPTIONS"]
    assert "options" not in database(url, VAR_DIR, idle_transaction=0)["OPTIONS"]


@pytest.mark.django_db
def test_transactions_that_nobody_goes_on_with_are_ended() -> None:
    """Or what a frozen process had locked could not be taken over by others."""
    if connection.vendor != "postgresql":
        # One file on one machine: whoever froze is thawed or killed there, which frees it.
        assert connection.vendor == "sqlite"
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("30s",)
