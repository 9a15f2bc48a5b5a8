"""What deploy/ says fits the project."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from osgp.listener.service import PORT

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """compose.yaml, merges resolved."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def services(document: dict[str, Any]) -> dict[str, Any]:
    """What it starts."""
    found: dict[str, Any] = document["services"]
    return found


def test_commands_of_containers_exist(services: dict[str, Any]) -> None:
    named = {
        service["command"][2] for service in services.values() if "manage.py" in service.get("command", ())
    }
    assert named == {"migrate", "stream", "dispatch", "worker", "listen", "simulate"}
    assert named <= set(get_commands())


def test_there_are_two_dispatchers(services: dict[str, Any]) -> None:
    assert services["dispatcher"]["deploy"]["replicas"] == 2


PLATFORM = ("web", "stream", "dispatcher", "worker", "notifier", "listener", "beat", "flower")


def test_every_platform_process_waits_for_migrations(services: dict[str, Any]) -> None:
    for name in PLATFORM:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "migrate" not in services["migrate"]["depends_on"]


def test_pushes_reach_the_listener_and_its_disk_outlives_it(
    document: dict[str, Any], services: dict[str, Any]
) -> None:
    listener = services["listener"]
    assert [port.rpartition(":")[2] for port in listener["ports"]] == [f"{PORT}/tcp", f"{PORT}/udp"]
    folder = listener["environment"]["OSGP_PUSH_SPOOL_DIR"]
    assert listener["volumes"] == [f"push-spool:{folder}"]
    assert "push-spool" in document["volumes"]
    assert f"install -d -o osgp -m 700 {folder}" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_flower_shows_what_a_visit_is_about(services: dict[str, Any]) -> None:
    """The column is not among those that it shows by itself."""
    columns = "--tasks-columns=name,args,state,received,runtime,worker"
    assert columns in services["flower"]["command"]
    for document in ("deploy/Dockerfile.flower", "docs/how-to/run-in-production.md"):
        assert columns in (ROOT / document).read_text()


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|PASS$|SECRET_KEY|KEYS|URL", name):
                assert re.search(r"\$\{[A-Z_]+:\?\}", value), name


KEY_ENCRYPTION_KEYS, PRIVATE_KEY = "OSGP_KEY_ENCRYPTION_KEYS", "OSGP_RSA_PRIVATE_KEY_FILE"
PUBLIC_KEY = "OSGP_RSA_PUBLIC_KEY_FILE"
ESCROW_KEY, ESCROW_DIRECTORY = "OSGP_KEY_ESCROW_PUBLIC_KEY_FILE", "OSGP_KEY_ESCROW_DIRECTORY"
HOLDERS = {
    "web": {PUBLIC_KEY},
    "worker": {KEY_ENCRYPTION_KEYS, PRIVATE_KEY, ESCROW_KEY, ESCROW_DIRECTORY},
    "migrate": {KEY_ENCRYPTION_KEYS},
}
"""What handles keys, by service; the others have nothing of it."""
WEBHOOKS = {
    "web": {"OSGP_WEBHOOK_KEYS", "OSGP_WEBHOOK_ALLOWED_NETWORKS"},
    "notifier": {"OSGP_WEBHOOK_KEYS", "OSGP_WEBHOOK_ALLOWED_NETWORKS", "OSGP_WEBHOOK_CA_FILE"},
}
"""What is for notifications: to seal their secrets, and to open them and send."""


def test_only_workers_can_open_keys_of_meters(document: dict[str, Any], services: dict[str, Any]) -> None:
    for name, service in services.items():
        environment = service.get("environment", {})
        held = environment.keys() & {
            KEY_ENCRYPTION_KEYS,
            PRIVATE_KEY,
            PUBLIC_KEY,
            ESCROW_KEY,
            ESCROW_DIRECTORY,
        }
        assert held == HOLDERS.get(name, set()), name
        files = [
            file
            for variable in (PRIVATE_KEY, PUBLIC_KEY, ESCROW_KEY)
            if variable in environment
            for file in read_if_set(environment[variable]).split(",")
        ]
        assert files == [f"/run/secrets/{secret}" for secret in service.get("secrets", ())], name
        secret_ones = [file for file in files if "escrow" not in file]
        assert all(("private" in file) == (name == "worker") for file in secret_ones), name
    used = {secret for service in services.values() for secret in service.get("secrets", ())}
    assert used == document["secrets"].keys()


def test_workers_have_a_second_place_if_it_is_set(document: dict[str, Any], services: dict[str, Any]) -> None:
    environment = services["worker"]["environment"]
    assert {read_condition(environment[name]) for name in (ESCROW_KEY, ESCROW_DIRECTORY)} == {
        "KEY_ESCROW_PUBLIC_KEY_FILE"
    }
    [volume] = services["worker"]["volumes"]
    assert volume == f"${{KEY_ESCROW_DIRECTORY:-key-escrow}}:{read_if_set(environment[ESCROW_DIRECTORY])}"
    assert "key-escrow" in document["volumes"]


IF_SET = re.compile(r"\$\{([A-Z_]+):\+(.+)\}")


def read_if_set(value: str) -> str:
    """What a variable is where its condition, another one, is set."""
    found = IF_SET.fullmatch(value)
    return found[2] if found else value


def read_condition(value: str) -> str:
    found = IF_SET.fullmatch(value)
    assert found, value
    return found[1]


def test_every_platform_process_has_what_all_need(document: dict[str, Any], services: dict[str, Any]) -> None:
    common = {"DATABASE_URL", "BROKER_URL", "SECRET_KEY", "ALLOWED_HOSTS", "LOG_LEVEL"}
    common |= {"OSGP_METER_NETWORKS", "OSGP_NEVER_DIALLED", *document["x-settings"]}
    besides = {
        **WEBHOOKS,
        "web": WEBHOOKS["web"] | {"OSGP_METRICS_TOKEN"},
        "flower": {"FLOWER_BASIC_AUTH"},
        "listener": {"OSGP_PUSH_SPOOL_DIR"},
    }
    for name in ("migrate", *PLATFORM):
        own = HOLDERS.get(name, set()) | besides.get(name, set())
        assert services[name]["environment"].keys() == common | own, name


NO_SETTINGS = {"OSGP_CORE", "OSGP_TOKEN", "OSGP_KEY_ESCROW_PASSPHRASE"}
"""Names in the code that are none, or are those of commands that people run."""
NOT_IN_CONTAINERS = {
    "OSGP_EMBEDDED",
    "OSGP_LOCAL_SECRETS",
    "OSGP_HEARTBEAT_FILE",
    "OSGP_VAR_DIR",
    "OSGP_WEB_BIND",
}
"""Containers have places and addresses of their own, and secrets that somebody gave them."""


def list_settings() -> set[str]:
    """Names of the platform's own variables, as the code has them."""
    files = [*(ROOT / "osgp").rglob("*.py"), ROOT / "deploy" / "gunicorn.conf.py"]
    named = {name for file in files for name in re.findall(r'"(OSGP_[A-Z_]+)"', file.read_text())}
    return named - NO_SETTINGS


def test_containers_are_handed_every_setting(document: dict[str, Any], services: dict[str, Any]) -> None:
    handed_on = {name for service in services.values() for name in service.get("environment", ())}
    assert handed_on >= list_settings() - NOT_IN_CONTAINERS
    # Without a value: what is not set stays unset, instead of being empty.
    assert set(document["x-settings"].values()) == {None}


def test_every_setting_is_in_the_guides() -> None:
    pages = [*(ROOT / "docs" / "how-to").glob("*.md"), ROOT / "README.md"]
    text = "".join(page.read_text() for page in pages)
    assert {name for name in list_settings() if name not in text} == set()


def test_what_the_guides_make_is_kept_from_git() -> None:
    made = ["rsa-private-key.pem", "deploy/.env", "deploy/rsa-private-key.pem", "var/secrets/api-token"]
    ended = subprocess.run(
        ["git", "check-ignore", "--no-index", *made], cwd=ROOT, capture_output=True, text=True
    )
    if ended.returncode == 128:
        pytest.skip("this is no checkout of git")
    assert ended.stdout.split() == made


PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def read_pins(name: str) -> dict[str, str]:
    """Versions of packages in a file of requirements."""
    found = PINNED.findall((ROOT / name).read_text())
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_production_installs_what_is_tested() -> None:
    """`make lock` was called after the last change of versions."""
    wanted, constraints, locked = map(read_pins, ("requirements.txt", "constraints.txt", "requirements.lock"))
    assert wanted.items() <= locked.items()
    # Those of tests are in the constraints as well; some in the lock are for other systems.
    known = wanted | constraints
    assert {name: known[name] for name in locked if name in known} == {
        name: version for name, version in locked.items() if name in known
    }
    for entry in re.split(r"\n(?=[A-Za-z])", (ROOT / "requirements.lock").read_text())[1:]:
        assert "--hash=sha256:" in entry


def test_meters_are_dialled_at_no_service_that_listens(services: dict[str, Any]) -> None:
    default = services["worker"]["environment"]["OSGP_NEVER_DIALLED"]
    named = set(default.removeprefix("${OSGP_NEVER_DIALLED:-").removesuffix("}").split(","))
    listening = {name for name, service in services.items() if "ports" in service}
    assert named == listening | {"postgres", "rabbitmq"}
    assert services["worker"]["environment"]["OSGP_METER_NETWORKS"].endswith(":-0.0.0.0/0,::/0}")


def test_what_is_reached_from_outside_has_a_health_check(services: dict[str, Any]) -> None:
    checked = {name for name, item in services.items() if item.get("healthcheck") != {"disable": True}}
    assert checked == {"web", "stream", "postgres", "rabbitmq"}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.flower"])
def test_images_copy_what_exists_and_run_unprivileged(name: str) -> None:
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert "USER osgp" in lines
    assert not any("requirements-dev" in line for line in lines)


@pytest.mark.back_end
def test_gunicorn_takes_its_settings() -> None:
    command = [sys.executable, "-m", "gunicorn", "--check-config", "--config", "deploy/gunicorn.conf.py"]
    done = subprocess.run([*command, "osgp.wsgi"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
