"""A worker dies at any step of a key change: the meter stays reachable, under keys that belong together."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices import keystore, transport_keys
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.requests import states
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.mbus_keys import EncryptionKeyStatus
from osgp.simulator.meter.meter import Meter
from osgp.simulator.settings import CounterAtKeyChange
from osgp.visits.visit import visit_meter
from tests import factories, meters
from tests.chaos.promises import final_twice, witness
from tests.visits.deaths import Death, Deaths

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATION, ENCRYPTION = GLOBAL_KEYS
NAMES = {AUTHENTICATION: KeyName.AUTHENTICATION, ENCRYPTION: KeyName.ENCRYPTION}
USER_KEY = KeyType.G_METER_ENCRYPTION_KEY
FINAL = (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED)
VISITS = 6
"""More than any of the changes here takes after a death."""
AT_LEAST = 20
"""Steps of a visit with a key change."""


@dataclasses.dataclass
class Site:
    """A simulated meter with a gas meter where the profile takes keys for it, as the platform knows them."""

    organisation: Organisation
    simulated: Meter
    meter: Device
    gas_meter: Device | None

    def ask(
        self, message: str, parameters: dict[str, Any] | None = None, device: Device | None = None
    ) -> Request:
        return factories.make_request(self.organisation, device or self.meter, message, parameters=parameters)

    def settle(self, *requests: Request) -> None:
        """What dispatchers and other workers do after a death, until nothing is left to do."""
        for _ in range(VISITS):
            MeterSession.objects.filter(state__in=states.LIVE).update(
                expires_at=timezone.now() - timedelta(seconds=1)
            )
            states.reap()
            Request.objects.exclude(state__in=FINAL).update(due_at=timezone.now() - timedelta(seconds=1))
            for session in states.open_sessions(10).sessions:
                assert visit_meter(session.pk, session.token, "another worker")
            if not Request.objects.exclude(state__in=FINAL).exists():
                break
        for request in requests:
            request.refresh_from_db()
            assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)

    def check_global_keys(self) -> None:
        """What is ACTIVE is in the meter: one key of each type, both of one change."""
        active = DeviceKey.objects.filter(device=self.meter, key_type__in=NAMES, state=KeyState.ACTIVE)
        assert sorted(key.key_type for key in active) == sorted(NAMES)
        assert len({key.change for key in active}) == 1
        assert keystore.read_active_keys(self.meter, list(NAMES)) == {
            key_type: self.simulated.key(name) for key_type, name in NAMES.items()
        }

    def read_active(self) -> list[dict[KeyType, bytes]]:
        devices = [self.meter] if self.gas_meter is None else [self.meter, self.gas_meter]
        return [keystore.read_active_keys(device, [*NAMES, USER_KEY]) for device in devices]

    def check_changed(self, before: list[dict[KeyType, bytes]]) -> None:
        """Keys that are ACTIVE now and were not ``before`` are in the meter already."""
        now = self.read_active()
        if now[0] != before[0]:
            self.check_global_keys()
        if now[1:] != before[1:]:
            self.check_user_key()

    def check_user_key(self) -> None:
        """Platform, gateway and M-Bus device have the same user key."""
        assert self.gas_meter is not None
        [gas_meter] = self.simulated.gas_meters
        status = self.simulated.make_mbus_keys(gas_meter).status
        assert status is EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE
        assert keystore.read_active_keys(self.gas_meter, [USER_KEY]) == {
            USER_KEY: self.simulated.mbus_key(gas_meter, KeyName.MBUS_USER)
        }
        active = DeviceKey.objects.filter(device=self.gas_meter, key_type=USER_KEY, state=KeyState.ACTIVE)
        assert active.count() == 1


@contextmanager
def running_site(organisation: Organisation, profile: str, *, gas_meters: int = 0) -> Iterator[Site]:
    with SimulatorThread(Fleet.build(1, profile, gas_meters=gas_meters)) as simulator, witness():
        meter, *others = meters.add_meters(organisation, simulator).values()
        [simulated] = simulator.meters.values()
        yield Site(organisation, simulated, meter, others[0] if others else None)
        assert simulator.fleet.nonces.list_repeats() == []
        assert simulated.memory.statistics.concurrent_associations == 0
        assert final_twice() == []


@pytest.fixture(autouse=True)
def _small_blocks(settings: Settings) -> None:
    # Visits then reserve values of the counters more than once, and use all of them.
    settings.OSGP = settings.OSGP | {"INVOCATION_COUNTER_BLOCK": 4}


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> Deaths:
    return Deaths(monkeypatch)


def die_at_every_step(
    site: Site, deaths: Deaths, ask: Callable[[int], Request], check: Callable[[int], None]
) -> int:
    """Visit again and again, each time with a death one step later; return how many there were.

    ``check``, with the number of the step, when the next visits have done what was left to do.
    """
    for number in itertools.count(1):
        request = ask(number)
        before = site.read_active()
        session = meters.open_session(site.meter)
        deaths.die_before(number)
        with suppress(Death):
            visit_meter(session.pk, session.token, "dies")
        has_died = deaths.has_died
        deaths.die_before(float("inf"))
        site.check_changed(before)
        site.settle(request, site.ask("ActualMeterReads"))
        check(number)
        if not has_died:
            return number - 1
    raise AssertionError("not reached")


def make_pair(number: int) -> dict[KeyType, bytes]:
    return {
        AUTHENTICATION: b"A" * 12 + number.to_bytes(4, "big"),
        ENCRYPTION: b"E" * 12 + number.to_bytes(4, "big"),
    }


def ask_to_replace(site: Site, keys: dict[KeyType, bytes]) -> Request:
    public_key = transport_keys.export_public_key()
    fields = {"authentication_key": AUTHENTICATION, "encryption_key": ENCRYPTION}
    parameters = {
        name: transport_keys.encrypt_for_platform(public_key, keys[key_type])
        for name, key_type in fields.items()
    }
    return site.ask("ReplaceKeys", parameters)


@pytest.mark.parametrize("at_change", CounterAtKeyChange)
@pytest.mark.parametrize("message", ["ReplaceKeys", "GenerateAndReplaceKeys"])
def test_global_keys(
    organisation: Organisation, deaths: Deaths, message: str, at_change: CounterAtKeyChange
) -> None:
    with running_site(organisation, "SMR-5.1") as site:
        site.simulated.behaviour = dataclasses.replace(
            site.simulated.behaviour, counter_at_key_change=at_change
        )

        def ask(number: int) -> Request:
            return ask_to_replace(site, make_pair(number)) if message == "ReplaceKeys" else site.ask(message)

        def check(number: int) -> None:
            site.check_global_keys()
            if message == "ReplaceKeys":
                assert keystore.read_active_keys(site.meter, list(NAMES)) == make_pair(number)

        assert die_at_every_step(site, deaths, ask, check) > AT_LEAST


@pytest.mark.parametrize("at_change", CounterAtKeyChange)
@pytest.mark.parametrize("after", [0, 1])
def test_recovery_of_half_done_changes(
    organisation: Organisation, deaths: Deaths, after: int, at_change: CounterAtKeyChange
) -> None:
    """The meter hung up with the first or second new key, and the worker that comes next dies."""
    with running_site(organisation, "SMR-5.1") as site:
        site.simulated.behaviour = dataclasses.replace(
            site.simulated.behaviour, counter_at_key_change=at_change
        )

        def ask(number: int) -> Request:
            site.simulated.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1, after=after)
            request = ask_to_replace(site, make_pair(number))
            meters.visit(site.meter)
            request.refresh_from_db()
            assert request.state == RequestState.RETRYING
            Request.objects.filter(pk=request.pk).update(due_at=timezone.now() - timedelta(seconds=1))
            return request

        def check(number: int) -> None:
            site.check_global_keys()
            assert keystore.read_active_keys(site.meter, list(NAMES)) == make_pair(number)

        assert die_at_every_step(site, deaths, ask, check) > AT_LEAST


@pytest.mark.parametrize("message", ["SetEncryptionKeyExchangeOnGMeter", "SetMbusUserKeyByChannel"])
@pytest.mark.parametrize("profile", ["DSMR-4.2.2", "SMR-5.1"])
def test_user_key_of_an_mbus_device(
    organisation: Organisation, deaths: Deaths, message: str, profile: str
) -> None:
    with running_site(organisation, profile, gas_meters=1) as site:
        [gas_meter] = site.simulated.gas_meters

        def ask(number: int) -> Request:
            if message == "SetMbusUserKeyByChannel":
                return site.ask(message, {"channel": gas_meter.channel})
            parameters = {"secret_type": USER_KEY.value, "close_optical_port": False}
            return site.ask(message, parameters, site.gas_meter)

        assert die_at_every_step(site, deaths, ask, lambda number: site.check_user_key()) > AT_LEAST
