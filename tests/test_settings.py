"""Settings that promises depend on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from osgp.database_settings import make_database_settings

VAR_DIR = Path("var")
ROOT = Path(__file__).resolve().parents[1]


def test_what_the_database_url_says_is_kept() -> None:
    said = "sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3"
    options = make_database_settings(f"postgresql://u:p@db/osgp?{said}", VAR_DIR, idle_transaction=30)[
        "OPTIONS"
    ]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert int(options["connect_timeout"]) == 3
    assert options["tcp_user_timeout"] == 60_000


def test_a_pooler_that_takes_no_options_gets_none() -> None:
    url = "postgresql://u:p@pooler:6432/osgp"
    assert "options" in make_database_settings(url, VAR_DIR, idle_transaction=30)["OPTIONS"]
    assert "options" not in make_database_settings(url, VAR_DIR, idle_transaction=0)["OPTIONS"]


def test_statements_may_have_a_limit() -> None:
    url = "postgresql://u:p@db/osgp"
    options = make_database_settings(url, VAR_DIR, idle_transaction=30, statement=1.5)["OPTIONS"]["options"]
    assert options == "-c idle_in_transaction_session_timeout=30000 -c statement_timeout=1500"
    assert "options" not in make_database_settings(url, VAR_DIR, idle_transaction=0, statement=0)["OPTIONS"]


def test_the_web_application_limits_its_statements() -> None:
    """And nothing else does: migrations of large tables take as long as they do."""
    code = (
        "import osgp.wsgi; from django.conf import settings; print(settings.DATABASES['default']['OPTIONS'])"
    )
    url = "postgresql://u:p@db/osgp"
    environment = {name: value for name, value in os.environ.items() if name != "OSGP_STATEMENT_SECONDS"}
    for entry, limited in (("osgp.wsgi", True), ("osgp.celery", False)):
        ran = subprocess.run(
            [sys.executable, "-c", code.replace("osgp.wsgi", entry)],
            cwd=ROOT,
            env=environment | {"DATABASE_URL": url, "OSGP_LOCAL_SECRETS": "1"},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ("statement_timeout=60000" in ran.stdout) == limited, entry


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
