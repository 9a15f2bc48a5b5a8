"""Settings of meters in the admin: each with its reason, what holds now, and what was learned of a meter."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Framing
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device, MeterKnowledge, SharedSettings
from osgp.devices.system_title import find_title
from tests.admin.conftest import make_user, signed_in
from tests.admin.test_devices import save
from tests.factories import make_gas_meter

LIST = "admin:devices_sharedsettings_changelist"
ADD = "admin:devices_sharedsettings_add"
CHANGE = "admin:devices_sharedsettings_change"


def page_of(client: Client, device: Device) -> Any:
    return client.get(reverse("admin:devices_device_change", args=[device.pk]))


def errors(answer: Any) -> set[str]:
    assert answer.status_code == 200
    return set(answer.context["adminform"].form.errors)


def learn(device: Device, **descriptions: str | None) -> None:
    content = {"descriptions": descriptions, "habits": {"with_list_max": "8"}}
    row = MeterKnowledge.objects.create(digest="0" * 32, content=content)
    checked = {"REGISTERS": "2026-03-01T12:00:00+00:00"}
    Device.objects.filter(pk=device.pk).update(knowledge=row, knowledge_checked=checked)


def test_every_setting_has_its_reason_and_what_holds(superuser: Client, device: Device) -> None:
    Device.objects.update(model="E360", own_settings={"attempts": 5})
    SharedSettings.objects.create(kind="MODEL", name="E360", settings={"receive_size": 500})
    fields = page_of(superuser, device).context["adminform"].form.fields
    for name, setting in SETTINGS.items():
        assert fields[f"setting_{name}"].help_text == setting.describe()
    assert fields["setting_attempts"].initial == "5"
    assert "placeholder" not in fields["setting_attempts"].widget.attrs
    assert fields["setting_receive_size"].initial is None
    assert fields["setting_receive_size"].widget.attrs["placeholder"] == "500, from its model"
    title = fields["setting_client_system_title"].widget.attrs["placeholder"]
    assert title == f"{find_title()}, by default"
    assert "placeholder" not in fields["setting_counter_object"].widget.attrs
    assert fields["setting_carrier"].choices[0] == ("", "– TCP, by default –")
    assert fields["setting_range_borders"].choices[0] == ("", "– not set –")


def test_settings_are_folded_unless_there_are_any(superuser: Client, device: Device) -> None:
    for own, is_folded in ((None, True), ({"attempts": 5}, False)):
        Device.objects.update(own_settings=own)
        [fields] = [
            each
            for each in page_of(superuser, device).context["adminform"]
            if each.name == "How to talk to it"
        ]
        assert fields.is_collapsible is is_folded


def test_settings_are_changed_and_taken_away(superuser: Client, device: Device) -> None:
    changes = {
        "setting_pause_between_connections": "3",
        "setting_counter_object": "0.0.43.1.1.255",
        "setting_with_list_max": "8",
        "setting_range_bounds": "FULL_HOURS",
    }
    assert save(superuser, device, **changes).status_code == 302
    device.refresh_from_db()
    assert device.own_settings == {
        "pause_between_connections": 3.0,
        "counter_object": "0-0:43.1.1.255",
        "range_bounds": "FULL_HOURS",
    }
    assert device.with_list_max == 8
    assert save(superuser, device).status_code == 302
    changes = {"setting_counter_object": "", "setting_with_list_max": "", "setting_range_bounds": ""}
    assert save(superuser, device, **changes).status_code == 302
    device.refresh_from_db()
    assert (device.own_settings, device.with_list_max) == ({"pause_between_connections": 3.0}, 0)


@pytest.mark.parametrize(
    ("changes", "faulty"),
    [
        (
            {"setting_attempts": "many", "setting_hdlc_window": "9"},
            {"setting_attempts", "setting_hdlc_window"},
        ),
        ({"setting_hdlc_window": "3"}, {"setting_hdlc_window"}),
        ({"setting_carrier": "UDP", "framing": Framing.HDLC}, {"setting_carrier"}),
        ({"setting_client_system_title": "4142430000000001"}, {"setting_client_system_title"}),
    ],
)
def test_what_is_refused(
    superuser: Client, device: Device, changes: dict[str, str], faulty: set[str]
) -> None:
    Device.objects.update(system_title="4142430000000001")
    assert errors(save(superuser, device, **changes)) == faulty
    device.refresh_from_db()
    assert device.own_settings is None


@pytest.mark.parametrize(
    ("changes", "faulty"),
    [
        ({"framing": Framing.HDLC}, {"setting_carrier"}),
        (
            {"framing": Framing.HDLC, "setting_carrier": "", "logical_device_address": "16383"},
            {"logical_device_address"},
        ),
    ],
)
def test_a_place_that_does_not_go_with_what_is_set(
    superuser: Client, device: Device, changes: dict[str, str], faulty: set[str]
) -> None:
    """Visits would refuse to call the meter."""
    Device.objects.update(own_settings={"carrier": "UDP"})
    assert errors(save(superuser, device, **changes)) == faulty
    device.refresh_from_db()
    assert device.framing == Framing.WRAPPER


def test_who_may_only_look_sees_what_holds(organisation: Organisation, device: Device) -> None:
    onlooker = signed_in(make_user("els", organisation, "view_device"))
    Device.objects.update(own_settings={"attempts": 5})
    learn(device)
    page = page_of(onlooker, device)
    assert page.status_code == 200
    assert "How to talk to it" in page.content.decode()
    assert "its own" in page.content.decode()
    assert "own_tags" not in page.content.decode()  # the profile by its name, not as an object
    assert "Forget" not in page.content.decode()
    assert onlooker.post(reverse("admin:devices_device_forget", args=[device.pk])).status_code == 403


def test_gas_meters_have_none(superuser: Client, device: Device) -> None:
    gas = make_gas_meter("G1", gateway=device)
    page = page_of(superuser, gas)
    assert "setting_attempts" not in page.context["adminform"].form.fields
    assert "Learned" not in page.content.decode()


# --- What was learned -------------------------------------------------------------------------------------


def test_what_is_not_as_in_the_profile_is_shown(superuser: Client, device: Device) -> None:
    """SMR 5.1: the scaler of active energy import is 0 Wh."""
    learn(
        device,
        **{
            "3/1-0:1.8.0.255/3": "02020ffd161e",
            "3/1-0:2.8.0.255/3": "02020f00161e",
            "3/9-0:9.9.9.255/3": "02020ffe161e",
            "7/1-0:99.1.0.255/4": None,
            "1/1-0:0.2.0.255/2": "0903352e31",
            "broken": "00",
        },
    )
    page = page_of(superuser, device)
    learned = page.context["learned"]
    told = {row.code: (row.what, row.told, row.expected) for row in learned["rows"]}
    assert told["3/1-0:1.8.0.255/3"] == ("ACTIVE_ENERGY_IMPORT scaler_unit", "-3, Wh", "0, Wh")
    assert told["3/9-0:9.9.9.255/3"][1:] == ("structure {integer -2, enum 30}", "–")
    assert told["7/1-0:99.1.0.255/4"][1] == "does not tell"
    assert "3/1-0:2.8.0.255/3" not in told
    assert "1/1-0:0.2.0.255/2" not in told  # the profile leaves the firmware open
    content = page.content.decode()
    assert "-3, Wh" in content
    assert "with_list_max" in content
    assert ">2026-03-01 12:00:00<" in content


def test_hostile_texts_of_a_meter_are_harmless(superuser: Client, device: Device) -> None:
    text = b"<script>alert(1)</script>".hex()
    learn(
        device, **{"1/0-0:42.0.0.255/2": "0919" + text, "3/1-0:1.8.0.255/3": "01" + "820400" + "0f01" * 1024}
    )
    content = page_of(superuser, device).content.decode()
    assert "<script>alert(1)" not in content


def test_capture_objects_are_compared(superuser: Client, device: Device) -> None:
    profile = device.profile
    item = profile["INTERVAL_VALUES_E"]
    columns = profile.list_capture_columns(item.tag)
    assert len(columns) > 1
    octets = "01" + bytes((len(columns),)).hex()
    for each in columns:
        class_id, name, number = each.descriptor
        octets += f"020412{class_id:04x}0906{name.hex()}0f{number:02x}12{each.data_index:04x}"
    learn(device, **{f"7/{item.obis}/3": octets})
    assert page_of(superuser, device).context["learned"]["rows"] == []


def test_what_was_learned_is_forgotten(superuser: Client, device: Device) -> None:
    learn(device)
    assert "Forget what was learned" in page_of(superuser, device).content.decode()
    url = reverse("admin:devices_device_forget", args=[device.pk])
    assert superuser.get(url).status_code == 403
    assert superuser.post(url).status_code == 302
    device.refresh_from_db()
    assert (device.knowledge, device.knowledge_checked) == (None, None)
    assert "Nothing yet." in page_of(superuser, device).content.decode()
    assert superuser.post(reverse("admin:devices_device_forget", args=[0])).status_code in {403, 404}


# --- Models and profiles ----------------------------------------------------------------------------------


def test_settings_of_a_model(superuser: Client, device: Device) -> None:
    answer = superuser.post(reverse(ADD), {"kind": "MODEL", "name": "E360", "setting_hdlc_window": "3"})
    assert answer.status_code == 302
    row = SharedSettings.objects.get()
    assert (row.kind, row.name, row.settings) == ("MODEL", "E360", {"hdlc_window": 3})
    url = reverse(CHANGE, args=[row.pk])
    page = superuser.get(url)
    assert page.context["adminform"].form.fields["setting_hdlc_window"].initial == "3"
    answer = superuser.post(url, {"setting_hdlc_window": "3", "setting_carrier": "UDP"})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.settings == {"hdlc_window": 3, "carrier": "UDP"}
    assert "carrier UDP, hdlc_window 3" in superuser.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize(
    ("data", "faulty"),
    [
        ({"kind": "PROFILE", "name": "SMR-9", "setting_attempts": "2"}, {"name"}),
        ({"kind": "MODEL", "name": "X"}, {"__all__"}),
        ({"kind": "MODEL", "name": "X", "setting_attempts": "0"}, {"setting_attempts", "__all__"}),
        ({"kind": "MODEL", "name": "E350", "setting_attempts": "2"}, {"__all__"}),
    ],
)
def test_settings_of_a_model_that_are_refused(
    superuser: Client, data: dict[str, str], faulty: set[str]
) -> None:
    SharedSettings.objects.create(kind="MODEL", name="E350", settings={"attempts": 3})
    assert errors(superuser.post(reverse(ADD), data)) <= faulty
    assert SharedSettings.objects.count() == 1


def test_only_the_platform_sees_them(operator: Client, organisation: Organisation) -> None:
    row = SharedSettings.objects.create(kind="MODEL", name="E350", settings={"attempts": 3})
    assert operator.get(reverse(LIST)).status_code == 403
    onlooker = signed_in(make_user("els", None, "view_sharedsettings"))
    page = onlooker.get(reverse(CHANGE, args=[row.pk]))
    assert page.status_code == 200
    assert "attempts 3" in page.content.decode()
