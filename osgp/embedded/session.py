"""A demonstration from beginning to end: start, register the simulated meters, read them, stay up."""

import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from osgp.embedded import first_start, main_job, output
from osgp.embedded.client import ApiClient
from osgp.embedded.listening import ListenerThread
from osgp.embedded.platform import EmbeddedPlatform
from osgp.embedded.registration import Registration, register
from osgp.simulator import Fleet

SIGNAL_SECONDS = 1.0
"""How late a signal may be noticed."""


class RegistrationFailed(RuntimeError):
    """Simulated meters could not be registered; the text tells which and why."""


def demonstrate(
    console: Console,
    make_fleet: Callable[[str], Fleet],
    *,
    host: str,
    port: int,
    simulator_port: int,
    once: bool,
) -> int:
    """Run the platform, read every meter once, and stay up until KeyboardInterrupt unless ``once``.

    Returns how many devices were not read. Electricity and gas meters count as one device each. Raises
    embedded.web.PortInUse before anything was started, and RegistrationFailed.
    """
    platform = EmbeddedPlatform(make_fleet, host=host, port=port, simulator_port=simulator_port)
    try:
        first_start.prepare_database()
        access = first_start.prepare_access()
        with platform:
            readings = _do_main_job(console, platform, access)
            failed = sum(1 for reading in readings if reading.problem)
            summary = f"main job: {len(readings) - failed} meters read, {failed} failed"
            say(console, f"API: {platform.api_url}/  token: {access.token}")
            say(
                console,
                f"Admin: {platform.web.url}/admin/  user: {access.admin}  password: {access.password}",
            )
            say(console, _describe_listener(platform.listener))
            if not once:
                _stay_up(console, summary)
    finally:
        platform.close()
    if once:
        say(console, summary)
    return failed


def _describe_listener(listener: ListenerThread) -> str:
    """Where meters push to; that the usual port was taken is worth knowing."""
    text = f"Pushes: {listener.host} TCP {listener.tcp_port}, UDP {listener.udp_port}"
    if listener.wanted_port not in (0, listener.tcp_port):
        text += f" (port {listener.wanted_port} is in use)"
    return text


def say(console: Console, line: str) -> None:
    """One line, however narrow the terminal is: people copy from it."""
    console.print(line, soft_wrap=True, markup=False)


def _do_main_job(
    console: Console, platform: EmbeddedPlatform, access: first_start.Access
) -> list[main_job.Reading]:
    descriptions = platform.fleet.describe()
    # The simulated meters of the next start are the same ones, at another port: overwritten.
    with ApiClient(platform.api_url, access.token) as api:
        registered = output.collect_with_progress(
            console, "Registering meters", register(api, descriptions, overwrite=True), len(descriptions)
        )
        _check_registrations(registered)
        readings = output.collect_with_progress(
            console, "Reading meters", main_job.read_meters(api, descriptions), len(descriptions)
        )
    console.print(output.make_readings_table(readings, console))
    for line in output.list_problems(readings):
        console.print(line, soft_wrap=True)
    return readings


def _check_registrations(registered: list[Registration]) -> None:
    refused = [f"{item.device_identification}: {item.problem}" for item in registered if item.problem]
    if refused:
        raise RegistrationFailed("Meters could not be registered.\n" + "\n".join(refused))


def _stay_up(console: Console, summary: str) -> None:
    with suppress(KeyboardInterrupt):
        say(console, "The platform stays up; Ctrl-C stops it.")
        say(console, summary)
        _wait_for_ever()


def _wait_for_ever() -> None:
    # Python notices a signal when a wait ends. One that comes just before the wait does not end it, so a wait
    # without end could sleep through the only signal that there will be.
    while True:
        time.sleep(SIGNAL_SECONDS)
