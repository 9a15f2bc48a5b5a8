"""Nothing secret is in any page."""

import base64

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import ApiToken, Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.pages.shared.display_values import REDACTED, redact, show
from osgp.requests.models import MeterSession, RequestState
from tests.admin.test_pages import make_session
from tests.factories import make_request

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
SEALED = "c2VhbGVkIGtleQ=="
TYPES = (KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST)


def spellings(secret: bytes) -> list[str]:
    """How bytes may end up in a page."""
    return [secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode(), repr(secret)]


@pytest.mark.parametrize("who", ["superuser", "operator"])
def test_no_page_shows_a_secret(
    who: str, device: Device, organisation: Organisation, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(who)
    keystore.store_new(device, dict.fromkeys(TYPES, KEY))
    keystore.activate(device, TYPES)
    session = make_session(device)
    sent = make_request(
        organisation,
        device,
        "ReplaceKeys",
        state=RequestState.FAILED,
        session=session,
        parameters={
            "authentication_key": "c2VhbGVkIGtleQ==",
            "encryption_key": {"nested": "c2VhbGVkIGtleQ=="},
        },
    )
    added = make_request(
        organisation,
        device,
        "AddDevice",
        state=RequestState.FAILED,
        parameters={
            "lls_password": "open sesame",
            "master_key": SEALED,
            "device_type": "SMART_METER_E",
        },
    )
    token, secret = ApiToken.issue(organisation, "portal")
    hidden = [secret, token.digest, SEALED, "open sesame", str(MeterSession.objects.get().token)]
    for key in DeviceKey.objects.all():
        for value in (KEY, bytes(key.ciphertext), bytes(key.wrapped_data_key)):
            hidden += spellings(value)

    pages = [reverse("admin:index")]
    for name, number in (
        ("devices_device", device.pk),
        ("requests_request", sent.pk),
        ("requests_request", added.pk),
        ("requests_metersession", session.pk),
        ("accounts_apitoken", token.pk),
        ("accounts_organisation", organisation.pk),
    ):
        pages += [
            reverse(f"admin:{name}_changelist"),
            reverse(f"admin:{name}_change", args=[number]),
            reverse(f"admin:{name}_history", args=[number]),
        ]
    for url in pages:
        answer = client.get(url)
        assert answer.status_code == 200, url
        for text in hidden:
            assert text not in answer.content.decode(), (url, text)
    shown = client.get(reverse("admin:requests_request_change", args=[sent.pk])).content.decode()
    assert shown.count(REDACTED) == 2
    listed = client.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert "E meter authentication key" in listed


def test_redaction_reaches_every_depth() -> None:
    value = {"a": [{"pin": "1", "master_key": "2", "secret_type": "3"}], "password": None, "keys": ["4"]}
    assert redact(value, frozenset({"pin"})) == {
        "a": [{"pin": REDACTED, "master_key": REDACTED, "secret_type": "3"}],
        "password": None,
        "keys": REDACTED,
    }


def test_what_is_shown_is_escaped_and_bounded() -> None:
    assert "<script>" not in show({"<script>": ["<script>", {"value": "<script>", "unit": "<script>"}]})
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    assert "more than this page shows" in show(deep)
    assert len(show([[1, {"a": [2]}]] * 100_000)) < 1_000_000
    assert "characters" in show("x" * 100_000)
    assert len(show("x" * 100_000)) < 3000


def test_quantities_and_dlms_values_are_one_text() -> None:
    assert "1234.567 kWh" in show({"active_energy_import": {"value": "1234.567", "unit": "kWh"}})
    shown = show({"data": {"type": "octet-string", "value": "0100010800ff"}})
    assert "octet-string" in shown
    assert "0100010800ff" in shown


def test_tables_have_no_empty_columns_and_unfold_tables_inside_of_them() -> None:
    structure = {
        "type": "structure",
        "value": [{"type": "integer", "value": 0}, {"type": "enum", "value": 30}],
    }
    rows = [
        {
            "tag": "CLOCK",
            "channel": None,
            "attributes": [{"attribute": 2, "value": structure, "reason": None}],
        },
        {"tag": "REGISTER", "channel": None, "attributes": []},
    ]
    shown = show({"objects": rows})
    assert "<summary>Attributes (1)</summary>" in shown
    assert "Channel" not in shown
    assert "Reason" not in shown
    # Elements of a structure stand in one line.
    assert '<span class="text">0</span>, <span class="quiet">enum</span>' in shown
    # A table with nothing in it is a table all the same.
    assert "Channel" in show([{"channel": None}, {"channel": None}])


def test_a_token_is_shown_once_and_stored_nowhere_else(superuser: Client, organisation: Organisation) -> None:
    answer = superuser.post(
        reverse("admin:accounts_apitoken_add"),
        {"organisation": organisation.pk, "application": "portal", "scopes": ["read", "monitoring"]},
    )
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    token = ApiToken.objects.get()
    assert token.digest == ApiToken.compute_digest(secret)
    assert token.scopes == ["read", "monitoring"]
    assert all(secret not in cookie.value for cookie in answer.cookies.values())
    assert all(secret not in f"{key}{value}" for key, value in superuser.session.items())
    assert secret not in str(list(LogEntry.objects.values()))
    page = superuser.get(reverse("admin:accounts_apitoken_change", args=[token.pk]))
    assert secret not in page.content.decode()


def test_a_token_is_revoked_and_never_edited(superuser: Client, organisation: Organisation) -> None:
    token, _ = ApiToken.issue(organisation, "portal")
    url = reverse("admin:accounts_apitoken_change", args=[token.pk])
    assert superuser.post(url, {"application": "other", "digest": "0" * 64}).status_code == 403
    superuser.post(
        reverse("admin:accounts_apitoken_changelist"), {"action": "revoke", "_selected_action": [token.pk]}
    )
    revoked = ApiToken.objects.get()
    assert revoked.digest == token.digest
    assert not revoked.is_valid()


def test_tokens_are_made_for_the_own_organisation_only(
    operator: Client, organisation: Organisation, other_organisation: Organisation
) -> None:
    url = reverse("admin:accounts_apitoken_add")
    body = {"application": "portal", "scopes": ["read"]}
    refused = operator.post(url, {**body, "organisation": other_organisation.pk})
    assert "organisation" in refused.context["adminform"].form.errors
    assert not ApiToken.objects.exists()
    operator.post(url, {**body, "organisation": organisation.pk})
    assert ApiToken.objects.get().organisation == organisation
