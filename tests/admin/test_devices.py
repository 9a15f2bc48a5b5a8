"""Editing devices: what may be edited is, and nothing else changes."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device, LifecycleStatus, RelayStatus
from tests.factories import make_device, make_gas_meter


def form_data(client: Client, device: Device, **changes: Any) -> dict[str, Any]:
    """What a browser would post after changing some fields."""
    page = client.get(reverse("admin:devices_device_change", args=[device.pk]))
    form = page.context["adminform"].form
    data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {management.add_prefix(name): value for name, value in management.initial.items()}
        for number, inline in enumerate(formset.formset.initial_forms):
            data[f"{formset.formset.prefix}-{number}-id"] = inline.instance.pk
            data[f"{formset.formset.prefix}-{number}-device"] = device.pk
    return {**data, **changes}


def save(client: Client, device: Device, **changes: Any) -> Any:
    url = reverse("admin:devices_device_change", args=[device.pk])
    return client.post(url, form_data(client, device, **changes))


def test_what_is_edited_is_stored_and_nothing_else_is_written(superuser: Client, device: Device) -> None:
    data = form_data(
        superuser,
        device,
        network_address=" ::ffff:10.1.2.3 ",
        port="4060",
        profile="SMR-5.2",
        lifecycle_status=LifecycleStatus.UNDER_TEST,
        identification="OTHER",
        relay_status=RelayStatus.DISCONNECTED,
        failed_connections="0",
    )
    # A worker goes on while the operator looks at the page.
    Device.objects.filter(pk=device.pk).update(failed_connections=3)
    original_save = Device.save
    written: list[Any] = []

    def watch(self: Device, *args: Any, **options: Any) -> None:
        written.append(options.get("update_fields"))
        Device.objects.filter(pk=self.pk).update(relay_status=RelayStatus.CONNECTED)
        original_save(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Device, "save", watch)
        answer = superuser.post(reverse("admin:devices_device_change", args=[device.pk]), data)
    assert answer.status_code == 302
    identification = device.identification
    device.refresh_from_db()
    assert (device.network_address, device.port) == ("10.1.2.3", 4060)
    assert (device.protocol_name, device.protocol_version) == ("SMR", "5.2")
    assert device.lifecycle_status == LifecycleStatus.UNDER_TEST
    assert device.identification == identification
    assert device.relay_status == RelayStatus.CONNECTED
    assert device.failed_connections == 3
    assert set(written[0]) == {
        "network_address",
        "announced_address",
        "port",
        "protocol_name",
        "protocol_version",
        "lifecycle_status",
        "updated_at",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("port", "0"), ("port", "70000"), ("profile", "SMR-9"), ("time_zone", "Nowhere"), ("framing", "UDP")],
)
def test_bad_values_are_refused_at_their_field(
    superuser: Client, device: Device, field: str, value: str
) -> None:
    answer = save(superuser, device, **{field: value})
    assert field in answer.context["adminform"].form.errors


def test_addresses_where_no_meters_are_dialled_are_refused_at_their_field(
    superuser: Client, device: Device, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {
        "METER_NETWORKS": ["0.0.0.0/0"],
        "NEVER_DIALLED": ["10.0.0.3:5432"],
    }
    for changes in ({"network_address": "127.0.0.1"}, {"network_address": "10.0.0.3", "port": "5432"}):
        answer = save(superuser, device, **changes)
        [problem] = answer.context["adminform"].form.errors["network_address"]
        assert problem == "Meters are not dialled at this address. See OSGP_METER_NETWORKS."
    # One that was stored before keeps nobody from changing something else.
    assert save(superuser, device, model="X").status_code == 302
    assert save(superuser, device, network_address="10.0.0.3").status_code == 302


def test_a_gas_meter_hangs_on_an_electricity_meter(superuser: Client, gas_meter: Device) -> None:
    other = make_gas_meter("G2", gateway=None, channel=None)
    answer = save(superuser, gas_meter, gateway=other.pk)
    assert "gateway" in answer.context["adminform"].form.errors
    answer = save(superuser, gas_meter, channel="")
    assert "channel" in answer.context["adminform"].form.errors
    meter = make_device("E2")
    assert save(superuser, gas_meter, gateway=meter.pk, channel="2").status_code == 302
    gas_meter.refresh_from_db()
    assert (gas_meter.gateway, gas_meter.channel) == (meter, 2)


def test_a_channel_is_given_once(superuser: Client, device: Device, gas_meter: Device) -> None:
    second = make_gas_meter("G2", gateway=device, channel=2)
    answer = save(superuser, second, channel="1")
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors


def test_devices_are_added_and_never_deleted(superuser: Client, device: Device) -> None:
    page = superuser.get(reverse("admin:devices_device_add"))
    form = page.context["adminform"].form
    data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {management.add_prefix(name): value for name, value in management.initial.items()}
    answer = superuser.post(
        reverse("admin:devices_device_add"),
        {**data, "identification": "E42", "device_type": "SMART_METER_E", "profile": "DSMR-2.2"},
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    added = Device.objects.get(identification="E42")
    assert (added.protocol_name, added.protocol_version) == ("DSMR", "2.2")
    url = reverse("admin:devices_device_delete", args=[device.pk])
    assert superuser.post(url, {"post": "yes"}).status_code == 403


def test_grants_are_given_by_the_platform_only(
    superuser: Client, operator: Client, device: Device, other_organisation: Organisation
) -> None:
    grant = {
        "authorisations-TOTAL_FORMS": "2",
        "authorisations-1-organisation": other_organisation.pk,
        "authorisations-1-function_group": "MONITORING",
        "authorisations-1-device": device.pk,
    }
    save(operator, device, **grant)
    assert not DeviceAuthorisation.objects.filter(organisation=other_organisation).exists()
    assert save(superuser, device, **grant).status_code == 302
    assert DeviceAuthorisation.objects.filter(organisation=other_organisation, device=device).exists()


def test_what_is_known_of_hls_is_shown_and_not_edited(
    superuser: Client, device: Device, gas_meter: Device
) -> None:
    Device.objects.filter(pk=device.pk).update(hls5_active=True)
    page = superuser.get(reverse("admin:devices_device_change", args=[device.pk]))
    assert "HLS 5 at P3" in page.content.decode()
    assert save(superuser, device, hls3_active="on", hls5_active="").status_code == 302
    device.refresh_from_db()
    assert (device.hls3_active, device.hls4_active, device.hls5_active) == (None, None, True)
    page = superuser.get(reverse("admin:devices_device_change", args=[gas_meter.pk]))
    assert "HLS 5 at P3" not in page.content.decode()


def test_settings_of_pushes(superuser: Client, device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(announced_address="192.0.2.1", address_is_static=False)
    save(superuser, device, system_title="4d4d4d0000bc614e", stores_unverified_pushes="on")
    device.refresh_from_db()
    assert (device.system_title, device.stores_unverified_pushes) == ("4D4D4D0000BC614E", True)
    assert device.announced_address == "192.0.2.1"
    save(superuser, device, network_address="192.0.2.2")
    device.refresh_from_db()
    assert (device.network_address, device.announced_address) == ("192.0.2.2", "")
    answer = save(superuser, device, system_title="4D4D4D")
    assert "16 hexadecimal digits" in answer.content.decode()
