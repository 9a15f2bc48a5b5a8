"""Pages of the admin for users of organisations that were granted something on devices of another one."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation, User
from tests import factories
from tests.admin.conftest import _nothing_missing, signed_in
from tests.tenants.admin_table import EXTRAS, MODELS, OPENED_BY, OWN
from tests.tenants.test_admin import get_url, list_urls_of_row
from tests.tenants.traces import read_answer
from tests.tenants.world import World

__all__ = ["_nothing_missing"]

GROUPS = [getattr(DeviceFunctionGroup, name) for name in ("OWNER", "MONITORING", "MANAGEMENT", "RELAY")]
"""Each opens something else."""
KNOWN_TO_SHARED_READERS = {
    "readings.Series": "The reason of a gap has the UID of the request, whosever it was: as in rest_table.py."
}


def sign_in(organisation: Organisation) -> Client:
    """Somebody of an organisation with all permissions."""
    user = User.objects.create_user("somebody", is_staff=True, organisation=organisation)
    user.user_permissions.set(Permission.objects.all())
    return signed_in(user)


@pytest.mark.parametrize("group", GROUPS)
def test_grantees(world: World, group: DeviceFunctionGroup) -> None:
    """They see of the devices what their function group opens, and of the organisation itself nothing."""
    client = sign_in(Organisation.objects.get(identification=f"HOLDER-{group}"))
    for label in sorted(label for label, kind in MODELS.items() if kind == OWN):
        pages = [get_url(label, "changelist"), get_url(label, "change", world.pages[label])]
        answers = [client.get(page, follow=True) for page in pages]
        found = {word for answer in answers for word in world.traces.find(answer)}
        if group in OPENED_BY.get(label, ()):
            assert found, label
            told = found & world.request_uids
            assert bool(told) == (label in KNOWN_TO_SHARED_READERS), (label, told)
        else:
            assert found == set(), label


def test_a_gateway_that_is_not_shared(world: World) -> None:
    """Who was granted an M-Bus device alone sees nothing of the meter that it is behind."""
    holder = factories.make_organisation("HOLDER-OF-GAS")
    factories.grant(holder, world.estate.gas_meter)
    client, own = sign_in(holder), world.estate.gas_meter.identification
    key = str(world.estate.gas_meter.pk)
    seen = [get_url(label, "changelist") for label, kind in MODELS.items() if kind == OWN]
    seen += list_urls_of_row("devices.Device", key)
    seen += [
        reverse(f"admin:{name}", args=[key])
        for name, extra in EXTRAS.items()
        if extra.model == "devices.Device"
    ]
    for url in seen:
        assert world.traces.find(client.get(url), own) == [], url
    assert own in read_answer(client.get(get_url("devices.Device", "changelist")))
    assert own in read_answer(client.get(get_url("devices.Device", "change", key)))
