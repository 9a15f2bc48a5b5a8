"""The simulator on the command line."""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from osgp import catalogue
from osgp.catalogue.communication import Framing, Security

from .destinations import parse_destination
from .fleet import MIX, Fleet
from .quirks import Quirk, QuirkError, parse_quirks
from .scenario import Scenario
from .server import SimulatorServer
from .settings import (
    CALM_SINCE_2024,
    Behaviour,
    CounterAtKeyChange,
    FleetSettings,
    make_first_counter,
)

DEFAULT_PORT = 4059
"""The port that is registered for DLMS/COSEM."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)?")
_PHASES = {"single": (False,), "poly": (True,), "mix": (False, True)}


def duration(text: str) -> float:
    """Seconds: ``300ms``, ``1.5s`` or ``2``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 300ms or 1.5s")
    number, unit = match.groups()
    return float(number) / (1_000 if unit == "ms" else 1)


def latency(text: str) -> tuple[float, float]:
    """A range of seconds: ``300ms`` or ``200ms-1s``."""
    shortest, _, longest = text.partition("-")
    bounds = duration(shortest), duration(longest or shortest)
    if bounds[0] > bounds[1]:
        raise argparse.ArgumentTypeError(f"{text!r} begins with the longer duration")
    return bounds


def share(text: str) -> float:
    """A share of 1: ``1%`` or ``0.01``."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 1% or 0.01") from error
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return value


def _parse_names(kind: type[Security] | type[Framing], text: str) -> list[str]:
    """One or more names of an enumeration, separated by commas."""
    names = [name.strip().upper() for name in text.split(",")]
    known = [member.value for member in kind]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name[:20]!r} is none of {', '.join(known)}")
    return names


def security(text: str) -> list[Security]:
    """What the meters take in turn: ``HLS5`` or ``NONE,LLS,HLS5``."""
    return [Security(name) for name in _parse_names(Security, text)]


def transport(text: str) -> list[Framing]:
    """What the meters take in turn: ``WRAPPER`` or ``WRAPPER,HDLC``."""
    return [Framing(name) for name in _parse_names(Framing, text)]


def destination(text: str) -> str:
    """Where to push: ``host:port``."""
    try:
        return str(parse_destination(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def quirks(text: str) -> frozenset[Quirk]:
    """Names of quirks, separated by commas."""
    try:
        return parse_quirks(name.strip() for name in text.split(","))
    except QuirkError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the simulator."""
    settings = FleetSettings()
    known = ", ".join(profile.key for profile in catalogue.list_profiles())
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument(
        "--demo", action="store_true", help="ten meters or more over all profiles, three with gas"
    )
    fleet.add_argument("--count", type=int, default=10, help="electricity meters (default %(default)s)")
    fleet.add_argument(
        "--profile",
        default="SMR-5.1",
        help=f"{known}, several with commas, or {MIX} (default %(default)s)",
    )
    fleet.add_argument(
        "--security", type=security, default=[Security.HLS5], help="NONE, LLS or HLS5, or several (HLS5)"
    )
    fleet.add_argument(
        "--transport", type=transport, default=[Framing.WRAPPER], help="WRAPPER, HDLC or both (WRAPPER)"
    )
    fleet.add_argument("--phases", choices=_PHASES, default="mix", help="phases of the meters (%(default)s)")
    fleet.add_argument("--gas", type=int, default=0, metavar="N", help="gas meters behind them (%(default)s)")
    fleet.add_argument(
        "--start", default="SIME0000000000001", help="identification of the first (%(default)s)"
    )
    fleet.add_argument(
        "--seed", type=int, default=settings.seed, help="of keys and consumption (%(default)s)"
    )
    fleet.add_argument("--shared-keys", action="store_true", help="the same global keys in all of them")
    fleet.add_argument("--timezone", default=settings.zone_name, help="of the meters (%(default)s)")

    network = parser.add_argument_group("network")
    network.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    network.add_argument("--port", type=int, default=DEFAULT_PORT, help="first port, 0 for any (%(default)s)")
    network.add_argument("--port-per-meter", action="store_true", help="instead of one port for all meters")
    network.add_argument("--http-port", type=int, help="offer the HTTP interface on this port")
    network.add_argument("--http-host", default="127.0.0.1", help="and on this address (%(default)s)")
    network.add_argument(
        "--json", metavar="FILE", help="write how to add the meters, keys included; - prints"
    )

    content = parser.add_argument_group("content")
    content.add_argument("--scenario", metavar="FILE", help="let happen what the TOML file lists")
    content.add_argument("--calm", action="store_true", help="no outages, alarms or wrong clocks since 2024")
    content.add_argument(
        "--null-compressed",
        type=share,
        default=0.1,
        help="share of meters whose rows leave out stamps that follow from the row before (10%%)",
    )

    pushes = parser.add_argument_group("pushes")
    pushes.add_argument(
        "--push-to",
        type=destination,
        metavar="HOST:PORT",
        help="where meters push all alarms until a client tells them another place and filter",
    )
    pushes.add_argument(
        "--push-ciphered", action="store_true", help="cipher data-notifications of meters with HLS5"
    )
    pushes.add_argument(
        "--alarms-per-hour",
        type=float,
        default=0.0,
        metavar="N",
        help="alarms at random in the whole fleet, beside those that have a cause (%(default)s)",
    )

    behaviour = parser.add_argument_group("behaviour")
    behaviour.add_argument("--latency", type=latency, default=(0.0, 0.0), help="300ms, or a range 200ms-1s")
    behaviour.add_argument("--loss", type=share, default=0.0, help="share of requests without answer: 1%%")
    behaviour.add_argument(
        "--counter-at-key-change",
        choices=[each.value for each in CounterAtKeyChange],
        default=settings.behaviour.counter_at_key_change.value,
        help="what becomes of the invocation counter with a new encryption key (%(default)s)",
    )
    behaviour.add_argument(
        "--quirks",
        type=quirks,
        default=frozenset(),
        metavar="NAMES",
        help="how all meters differ from the books, with commas; see docs/how-to/simulate-meters.md",
    )
    behaviour.add_argument(
        "--pdu-size", type=int, default=settings.maximum_pdu_size, help="longest APDU (%(default)s)"
    )
    behaviour.add_argument(
        "--with-list-max", type=int, default=settings.with_list_max, help="longest list (%(default)s)"
    )
    behaviour.add_argument(
        "--idle", type=duration, default=settings.idle_seconds, help="silence until hang-up (%(default)ss)"
    )


def build_fleet(options: argparse.Namespace) -> Fleet:
    """The fleet that the options describe; ValueError or LookupError when they make none."""
    if not 64 <= options.pdu_size <= 0xFFFF:
        raise ValueError("the longest APDU is between 64 and 65535 octets")
    if options.with_list_max < 1:
        raise ValueError("the longest list has at least one element")
    settings = FleetSettings(
        seed=options.seed,
        zone_name=options.timezone,
        maximum_pdu_size=options.pdu_size,
        with_list_max=options.with_list_max,
        idle_seconds=options.idle,
        calm_from=CALM_SINCE_2024 if options.calm else None,
        null_compressed=options.null_compressed,
        shared_keys=options.shared_keys,
        push_to=options.push_to,
        push_ciphered=options.push_ciphered,
        alarms_per_hour=options.alarms_per_hour,
        first_counter=make_first_counter(time.time()),
        quirks=options.quirks,
        behaviour=Behaviour(
            latency=options.latency,
            loss=options.loss,
            counter_at_key_change=CounterAtKeyChange(options.counter_at_key_change),
        ),
    )
    if options.demo:
        return Fleet.demo(settings=settings)
    profiles = options.profile.split(",")
    return Fleet.build(
        options.count,
        MIX if profiles == [MIX] else profiles,
        security=options.security,
        framing=options.transport,
        polyphase=_PHASES[options.phases],
        gas_meters=options.gas,
        start=options.start,
        port_per_meter=options.port_per_meter,
        settings=settings,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until it is interrupted; the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description="Simulate DLMS/COSEM smart meters.")
    add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        fleet = build_fleet(options)
        scenario = Scenario.load(Path(options.scenario), fleet) if options.scenario else None
    except (ValueError, LookupError) as error:
        parser.error(str(error))
    try:
        asyncio.run(_serve(fleet, options, scenario))
    except OSError as error:
        sys.stderr.write(f"simulate: {error}\n")
        return 1
    return 0


async def _serve(fleet: Fleet, options: argparse.Namespace, scenario: Scenario | None) -> None:
    server = SimulatorServer(
        fleet, options.host, options.port, options.http_port, options.http_host, scenario
    )
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Only the main thread may take signals; elsewhere whoever started the simulator ends it.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, interrupted.set)
    await server.start()
    try:
        _write_description(fleet, options.json)
        _announce(fleet, server)
        await interrupted.wait()
    finally:
        await server.stop()


def _write_description(fleet: Fleet, path: str | None) -> None:
    if path is None:
        return
    text = json.dumps(fleet.describe(), indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text)


def _announce(fleet: Fleet, server: SimulatorServer) -> None:
    ports = f"port {fleet.ports[0]}" if len(fleet.ports) == 1 else f"{len(fleet.ports)} ports"
    to_come = f", {len(server.scenario)} occurrences to come" if len(server.scenario) else ""
    lines = [f"{len(fleet.meters)} meters on {server.host} {ports}{to_come}"]
    if fleet.settings.push_to is not None:
        lines.append(f"alarms go to {fleet.settings.push_to}")
    if server.http_port is not None:
        lines.append(f"HTTP interface on http://{server.http_host}:{server.http_port}/meters")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
