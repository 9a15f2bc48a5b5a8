"""Described meters become devices, over REST or from within, as often as one likes."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.embedded.direct_registration import register_directly
from osgp.embedded.registration import InvalidDescription, build_add_device_body, split_into_rounds
from osgp.installation.device_parameters import MBUS_SECRETS
from osgp.requests.models import Request
from osgp.simulator import Fleet
from tests import factories

KEYS = (KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST)


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet.build(2, gas_meters=1)
    fleet.ports = (4059,)
    return fleet


def encrypt(key: bytes) -> str:
    return f"encrypted {key.hex()}"


def test_a_body_holds_the_fields_and_encrypted_keys(fleet: Fleet) -> None:
    described = fleet.describe()[0]
    body = build_add_device_body(described, encrypt, overwrite=True)
    assert {name: body[name] for name in described["add_device"]} == described["add_device"]
    assert body["encryption_key"] == f"encrypted {described['keys']['encryption_key']}"
    assert body["lls_password"] == f"encrypted {described['keys']['lls_password'].encode().hex()}"
    assert body["overwrite"] is True


MBUS_KEYS = {name: f"{number:032x}" for number, name in enumerate(MBUS_SECRETS)}


def test_keys_of_an_m_bus_device_go_together() -> None:
    add_device = {"device_identification": "G1"}
    for keys in (MBUS_KEYS, MBUS_KEYS | {"future_key": "00ff"}):
        body = build_add_device_body({"add_device": add_device, "keys": keys}, encrypt, overwrite=False)
        assert {name: body[name] for name in keys} == {
            name: f"encrypted {value}" for name, value in keys.items()
        }
    for missing in MBUS_KEYS:
        some = {name: value for name, value in MBUS_KEYS.items() if name != missing}
        body = build_add_device_body({"add_device": add_device, "keys": some}, encrypt, overwrite=True)
        assert body.keys() == {"device_identification", "overwrite"}


@pytest.mark.django_db
def test_m_bus_devices_are_registered_with_all_of_their_keys_or_none(
    organisation: Organisation, fleet: Fleet
) -> None:
    described = fleet.describe()
    [gas] = [item for item in described if "gateway" in item["add_device"]]
    for keys, stored in (
        ({"mbus_default_key": "00" * 16}, set()),
        (MBUS_KEYS, {bytes.fromhex(value) for value in MBUS_KEYS.values()}),
    ):
        gas["keys"] = keys
        assert [item.problem for item in register_directly(organisation, described, overwrite=True)] == [
            "",
            "",
            "",
        ]
        device = Device.objects.get(identification=gas["add_device"]["device_identification"])
        assert set(keystore.read_active_keys(device, KeyType).values()) == stored


def test_gas_meters_come_after_their_gateways(fleet: Fleet) -> None:
    first, second = split_into_rounds(fleet.describe())
    assert [item["add_device"]["device_type"] for item in first] == ["SMART_METER_E"] * 2
    assert [item["add_device"]["device_type"] for item in second] == ["SMART_METER_G"]


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"add_device": []},
        {"add_device": {}, "keys": {}},
        {"add_device": {"device_identification": 1}},
        {"add_device": {"device_identification": "E1"}, "keys": []},
        {"add_device": {"device_identification": "E1"}, "keys": {"encryption_key": 7}},
        {"add_device": {"device_identification": "E1"}, "keys": {"encryption_key": "5ecre7"}},
        {"add_device": {"device_identification": "E1"}, "keys": {"encryption_key": "c0ffee 5ecret"}},
        {"add_device": {"device_identification": "E1"}, "keys": {"lls_password": "5ecret\N{SNOWMAN}"}},
    ],
    ids=["empty", "list", "nameless", "number", "keys-list", "key-number", "odd", "no-hex", "no-ascii"],
)
def test_senseless_descriptions_are_refused_without_showing_keys(description: dict[str, Any]) -> None:
    with pytest.raises(InvalidDescription) as caught:
        build_add_device_body(
            description,
            lambda key: pytest.fail(f"encrypted {len(key)} bytes") if len(key) > 3 else "",
            overwrite=False,
        )
    assert "ecre" not in str(caught.value)


@pytest.mark.django_db
def test_direct_registration_may_be_repeated(organisation: Organisation, fleet: Fleet) -> None:
    for port in (4059, 4060):
        fleet.ports = (port,)
        registered = list(register_directly(organisation, fleet.describe(), overwrite=True))
        assert [item.problem for item in registered] == ["", "", ""]
        assert set(Device.objects.filter(gateway=None).values_list("port", flat=True)) == {port}
    assert Device.objects.count() == 3
    described = fleet.describe()[0]
    device = Device.objects.get(identification=described["add_device"]["device_identification"])
    active = keystore.read_active_keys(device, KEYS)
    assert [active[key].hex() for key in KEYS] == [
        described["keys"]["authentication_key"],
        described["keys"]["encryption_key"],
    ]
    assert DeviceKey.objects.filter(device=device, key_type=KEYS[0], state=KeyState.ACTIVE).count() == 1


@pytest.mark.django_db
def test_devices_that_are_refused_do_not_stop_the_others(organisation: Organisation, fleet: Fleet) -> None:
    described = fleet.describe()
    described[0]["add_device"]["timezone"] = "Europe/Nowhere"
    problems = {
        item.device_identification: item.problem for item in register_directly(organisation, described)
    }
    refused = described[0]["add_device"]["device_identification"]
    gas = next(item["add_device"] for item in described if "gateway" in item["add_device"])
    assert gas["gateway"] == refused
    assert "timezone" in problems[refused]
    assert problems[gas["device_identification"]]
    assert not problems["SIME0000000000002"]


@pytest.fixture
def file(fleet: Fleet, tmp_path: Path) -> Path:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(fleet.describe()))
    return path


@pytest.mark.django_db
def test_the_command_registers_a_file(
    organisation: Organisation, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("register_fleet", file, organisation=organisation.identification)
    assert capsys.readouterr().out == "3 devices registered, 0 failed\n"
    assert Device.objects.count() == 3


@pytest.mark.django_db
def test_what_exists_is_replaced_only_when_that_is_said(
    organisation: Organisation, fleet: Fleet, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("register_fleet", file, organisation=organisation.identification)
    fleet.ports = (4060,)
    file.write_text(json.dumps(fleet.describe()))
    with pytest.raises(SystemExit, match="1"):
        call_command("register_fleet", file, organisation=organisation.identification)
    assert capsys.readouterr().out.endswith("0 devices registered, 3 failed\n")
    ports = Device.objects.filter(gateway=None).values_list("port", flat=True)
    assert set(ports) == {4059}
    call_command("register_fleet", file, organisation=organisation.identification, overwrite=True)
    assert set(ports.all()) == {4060}


@pytest.mark.django_db
def test_one_bad_key_keeps_the_command_from_beginning(
    organisation: Organisation, fleet: Fleet, file: Path
) -> None:
    described = fleet.describe()
    described[1]["keys"]["encryption_key"] = "no hexadecimal"
    described[2]["keys"] = []
    file.write_text(json.dumps(described))
    name = described[1]["add_device"]["device_identification"]
    with pytest.raises(CommandError, match=f"meter 2: encryption_key of {name} is not .*\nmeter 3: "):
        call_command("register_fleet", file, organisation=organisation.identification)
    assert not Request.objects.exists()
    assert not Device.objects.exists()


@pytest.mark.django_db
def test_the_command_needs_what_opens_the_keys(
    organisation: Organisation, file: Path, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"RSA_PRIVATE_KEY_FILE": "", "RSA_PUBLIC_KEY_FILE": "public.pem"}
    with pytest.raises(CommandError, match="OSGP_RSA_PRIVATE_KEY_FILE"):
        call_command("register_fleet", file, organisation=organisation.identification, skip_checks=True)
    assert not Request.objects.exists()


@pytest.mark.django_db
def test_meters_may_be_reached_at_another_address(organisation: Organisation, file: Path) -> None:
    call_command("register_fleet", file, organisation=organisation.identification, address="simulator")
    addresses = Device.objects.order_by("identification").values_list("network_address", flat=True)
    assert list(addresses) == ["simulator", "simulator", ""]


@pytest.mark.django_db
def test_the_command_names_what_was_refused(
    organisation: Organisation, fleet: Fleet, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = fleet.describe()
    described[1]["add_device"]["port"] = 70000
    file.write_text(json.dumps(described))
    with pytest.raises(SystemExit, match="1"):
        call_command("register_fleet", file, organisation=organisation.identification)
    output = capsys.readouterr()
    assert output.out == "2 devices registered, 1 failed\n"
    assert f"{described[1]['add_device']['device_identification']}: " in output.err


@pytest.mark.django_db(transaction=True)
def test_the_command_works_over_rest(
    organisation: Organisation,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from osgp.embedded.dispatching import DispatcherThread
    from osgp.embedded.web import WebThread
    from osgp.embedded.worker import WorkerThread

    monkeypatch.setenv("OSGP_TOKEN", factories.make_token(organisation))
    with WorkerThread(), DispatcherThread(), WebThread("127.0.0.1", 0) as web:
        call_command("register_fleet", file, api=f"{web.url}/api/v1")
    assert capsys.readouterr().out == "3 devices registered, 0 failed\n"
    assert Device.objects.count() == 3


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        (None, {"organisation": "UTILITY"}, "No such file"),
        ("{", {"organisation": "UTILITY"}, "holds no JSON"),
        ('{"keys": 1}', {"organisation": "UTILITY"}, "holds no list of meters"),
        ("[1]", {"organisation": "UTILITY"}, "holds no list of meters"),
        ("[{}]", {"organisation": "UTILITY"}, "add_device"),
        ("[]", {"organisation": "NOBODY"}, "There is no organisation NOBODY"),
        ("[]", {"api": "http://127.0.0.1:1/api/v1"}, "needs a token"),
        ("[]", {"api": "http://127.0.0.1:1/api/v1", "token": "x"}, "refused"),
        ("[]", {"api": "gopher://x", "token": "x"}, "no http or https address"),
    ],
    ids=["missing", "cut", "object", "numbers", "empty", "nobody", "no-token", "nobody-there", "no-web"],
)
@pytest.mark.django_db
@pytest.mark.usefixtures("organisation")
def test_the_command_refuses_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, options: dict[str, str], text: str
) -> None:
    monkeypatch.delenv("OSGP_TOKEN", raising=False)
    path = tmp_path / "fleet.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=text):
        call_command("register_fleet", path, **options)
