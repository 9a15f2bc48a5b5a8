"""Making up fleets, describing them, running them from a thread and from the command line."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from osgp import catalogue
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Behaviour, CounterAtKeyChange, Fleet, FleetSettings, SimulatorThread
from osgp.simulator.cli import add_arguments, build_fleet, duration, latency, main, share
from osgp.simulator.meter.identity import KeyName

from .client import connected

CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)


def test_the_demonstration_fleet(demo: SimulatorThread) -> None:
    described = demo.fleet.describe()
    electricity = [each for each in described if each["add_device"]["device_type"] == "SMART_METER_E"]
    gas = [each for each in described if each["add_device"]["device_type"] == "SMART_METER_G"]
    assert (len(electricity), len(gas)) == (10, 3)
    versions = {
        (each["add_device"]["protocol_name"], each["add_device"]["protocol_version"]) for each in electricity
    }
    assert versions == {
        (profile.protocol_name, profile.protocol_version) for profile in catalogue.list_profiles()
    }
    assert {each["add_device"]["security"] for each in electricity} == {"HLS5"}
    assert {each["add_device"]["transport"] for each in electricity} == {"WRAPPER", "HDLC"}
    for meter in demo.meters.values():
        with connected(demo, meter) as client:
            client.associate()
            assert len(client.get(CLOCK).value) == 12
            client.release()
        assert meter.memory.counters.repeated == []


def test_the_description_adds_a_meter(demo: SimulatorThread) -> None:
    described = demo.fleet.describe()
    first = described[0]["add_device"]
    assert first == {
        "device_identification": "SIME0000000000001",
        "device_type": "SMART_METER_E",
        "protocol_name": "DSMR",
        "protocol_version": "2.2",
        "communication_method": "GPRS",
        "network_address": "127.0.0.1",
        "port": demo.port,
        "logical_device_address": 1,
        "transport": "WRAPPER",
        "security": "HLS5",
        "challenge_length": 16,
        "with_list_max": 32,
        "selective_access": True,
        "polyphase": False,
        "timezone": "Europe/Amsterdam",
    }
    methods = {
        (item["add_device"]["protocol_version"], item["add_device"]["communication_method"])
        for item in described
    }
    assert methods == {
        ("2.2", "GPRS"),
        ("4.2.2", "GPRS"),
        ("4.3", "CDMA"),
        ("5.0.0", "GPRS"),
        ("5.1", "GPRS"),
        ("5.2", "LTE"),
        ("5.2c", "LTE"),
        ("5.5", "LTE"),
        # TST, which tells nothing of modems.
        ("1.0", "GPRS"),
    }
    assert set(described[0]["keys"]) == {"master_key", "authentication_key", "encryption_key", "lls_password"}
    gas = next(each for each in described if "gateway" in each["add_device"])
    assert set(gas["keys"]) == {
        "mbus_default_key",
        "mbus_user_key",
        "mbus_firmware_update_authentication_key",
        "mbus_p0_key",
    }
    assert gas["add_device"]["gateway"] == "SIME0000000000002"
    assert gas["add_device"]["channel"] == 1
    assert gas["add_device"]["mbus_manufacturer"] == "SIM"
    assert len(gas["add_device"]["mbus_identification_number"]) == 8
    assert json.loads(json.dumps(described)) == described


def test_a_fleet_takes_from_lists_in_turn() -> None:
    fleet = Fleet.build(
        4, ["SMR-5.1", "DSMR-4.2.2"], security=["NONE", "LLS"], gas_meters=6, start="LAB0098", polyphase=True
    )
    meters = list(fleet.meters.values())
    assert [meter.identification for meter in meters] == ["LAB0098", "LAB0099", "LAB0100", "LAB0101"]
    assert [meter.type.profile.key for meter in meters] == ["SMR-5.1", "DSMR-4.2.2"] * 2
    assert [meter.security for meter in meters] == ["NONE", "LLS"] * 2
    assert [len(meter.gas_meters) for meter in meters] == [2, 2, 1, 1]
    assert all(meter.polyphase for meter in meters)


def test_large_fleets_spread_over_ports() -> None:
    fleet = Fleet.build(33_000)
    assert fleet.port_count == 3
    last = fleet.meters["SIME0000000033000"]
    assert (last.port_index, last.logical_device_address) == (2, 1_000)
    assert fleet.find_meter(2, 1_000) is last
    assert fleet.find_only_meter(2) is None
    assert not last.is_touched


@pytest.mark.parametrize(
    "arguments",
    [
        {"count": 0},
        {"gas_meters": -1},
        {"gas_meters": 41},
        {"gas_meters": [1]},
        {"profile": "SMR-9.9"},
        {"profile": []},
        {"start": "12345"},
        {"start": "METER"},
        {"security": "HLS9"},
        {"framing": "PIGEON"},
    ],
)
def test_impossible_fleets(arguments) -> None:
    with pytest.raises((ValueError, LookupError)):
        Fleet.build(**arguments)


def test_a_thread_can_be_started_again_and_hangs_up_when_it_stops() -> None:
    simulator = SimulatorThread(Fleet.build(1))
    meter = simulator.meters["SIME0000000000001"]
    for _ in range(2):
        with simulator, connected(simulator, meter) as client:
            client.associate()
            with pytest.raises(RuntimeError):
                simulator.start()
            simulator.stop()
            assert client.socket.recv(100) == b""
        assert meter.memory.associated is None
        assert meter.memory.connections == 0
    simulator.stop()


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        SimulatorThread(Fleet.build(1), port=taken.getsockname()[1]).start()


def test_the_behaviour_of_a_fleet_is_that_of_its_meters() -> None:
    settings = FleetSettings(behaviour=Behaviour(latency=(0.001, 0.002)))
    with SimulatorThread(Fleet.build(1, settings=settings)) as simulator:
        meter = simulator.meters["SIME0000000000001"]
        assert meter.behaviour.latency == (0.001, 0.002)
        with connected(simulator, meter) as client:
            client.associate()
            assert client.get(CLOCK)


@pytest.mark.parametrize(("text", "value"), [("300ms", 0.3), ("1.5s", 1.5), ("2", 2.0), ("0", 0.0)])
def test_durations(text: str, value: float) -> None:
    assert duration(text) == value


def test_ranges_and_shares() -> None:
    assert latency("300ms") == (0.3, 0.3)
    assert latency("200ms-1s") == (0.2, 1.0)
    assert share("1%") == 0.01
    assert share("0.5") == 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        ["--latency", "soon"],
        ["--latency", "2s-1s"],
        ["--loss", "101%"],
        ["--loss", "some"],
        ["--security", "HLS5,HLS9"],
        ["--transport", "PIGEON"],
        ["--profile", "SMR-9.9"],
        ["--count", "0"],
        ["--gas", "99"],
        ["--pdu-size", "10"],
        ["--with-list-max", "0"],
        ["--timezone", "Europe/Atlantis"],
    ],
)
def test_wrong_options_are_told(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_taken_port_ends_the_command(capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "simulate:" in capsys.readouterr().err


def test_the_command_runs_until_it_is_interrupted(tmp_path) -> None:
    path = tmp_path / "fleet.json"
    program = "import sys; from osgp.simulator.cli import main; sys.exit(main(sys.argv[1:]))"
    options = ["--count", "2", "--port", "0", "--port-per-meter", "--json", str(path), "--http-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *options], stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "2 meters on 127.0.0.1 2 ports\n"
        assert "/meters" in process.stderr.readline()
        ports = [each["add_device"]["port"] for each in json.loads(path.read_text())]
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 10).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0


def test_options_of_keys_and_counters() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    plain, other = (
        build_fleet(parser.parse_args(["--count", "2", *options]))
        for options in ([], ["--shared-keys", "--counter-at-key-change", "keep"])
    )
    kept = [fleet.settings.behaviour.counter_at_key_change for fleet in (plain, other)]
    assert kept == [CounterAtKeyChange.RESTART, CounterAtKeyChange.KEEP]
    different = [
        len({meter.key(KeyName.ENCRYPTION) for meter in fleet.meters.values()}) for fleet in (plain, other)
    ]
    assert different == [2, 1]
