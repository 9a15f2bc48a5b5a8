"""Settings that promises depend on."""

import os
import secrets
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
            env=environment
            | {"DATABASE_URL": url, "BROKER_URL": "memory://localhost", "OSGP_LOCAL_SECRETS": "1"},
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


def start(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process whose environment has only that of the platform's variables."""
    ours = ("OSGP_", "DATABASE_URL", "BROKER_URL", "SECRET_KEY", "DJANGO_")
    others = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=others | environment, capture_output=True, text=True, timeout=300, check=False
    )


NAMED = {"DATABASE_URL": "postgresql://u:p@db/osgp", "BROKER_URL": "amqp://u:p@mq//", "SECRET_KEY": "s" * 50}


@pytest.mark.parametrize("entry", ["osgp.wsgi", "osgp.settings"])
@pytest.mark.parametrize("lost", ["DATABASE_URL", "BROKER_URL"])
def test_a_process_that_lost_its_environment_refuses(entry: str, lost: str, tmp_path: Path) -> None:
    """It would begin with an empty database of its own."""
    environment = {name: value for name, value in NAMED.items() if name != lost}
    ended = start(f"import {entry}", OSGP_VAR_DIR=str(tmp_path), **environment)
    assert ended.returncode == 1
    assert f"ImproperlyConfigured: {lost} is not set" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_process_without_its_secret_names_the_variable(tmp_path: Path) -> None:
    environment = {name: value for name, value in NAMED.items() if name != "SECRET_KEY"}
    ended = start("import osgp.settings", OSGP_VAR_DIR=str(tmp_path), **environment)
    assert ended.returncode == 1
    assert "SECRET_KEY is not set" in ended.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "BROKER_URL"])
def test_the_embedded_default_is_not_mixed_with_another_database(name: str, tmp_path: Path) -> None:
    said = {name: NAMED[name], "OSGP_EMBEDDED": "1", "OSGP_VAR_DIR": str(tmp_path)}
    ended = start("import osgp.settings", **said)
    assert ended.returncode == 1
    assert f"OSGP_EMBEDDED and {name} are both set" in ended.stderr


def test_the_embedded_default_is_asked_for(tmp_path: Path) -> None:
    code = "from osgp import settings; print(settings.EMBEDDED, settings.DATABASES['default']['NAME'])"
    ended = start(code, OSGP_EMBEDDED="1", OSGP_VAR_DIR=str(tmp_path))
    assert ended.stdout.split() == ["True", str(tmp_path / "osgp.sqlite3")]


def test_production_as_the_guide_has_it_has_no_warnings(tmp_path: Path) -> None:
    said = NAMED | {"SECRET_KEY": secrets.token_urlsafe(48), "OSGP_HTTPS": "1", "OSGP_VAR_DIR": str(tmp_path)}
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'osgp.settings'\n"
        "from django.core.management import execute_from_command_line as run\n"
        "run(['manage.py', 'check', '--deploy', '--fail-level', 'WARNING'])"
    )
    ended = start(code, **said)
    assert ended.returncode == 0, ended.stderr
