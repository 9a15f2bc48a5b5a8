"""Public keys of applications: over REST and on the command line, in the audit trail, and what is refused."""

import hashlib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command
from django.core.management.base import CommandError
from rest_framework.test import APIClient

from osgp.accounts.application_keys import find_key
from osgp.accounts.functions import DEFAULT_SCOPES
from osgp.accounts.models import ApplicationKey, Organisation
from osgp.audit.models import AuditEntry
from osgp.management.application_keys import register_key
from tests.devices.concurrency import at_once
from tests.factories import make_token
from tests.rsa_keys import Encoding, Private, Public, make_pair, private_pem, public_pem

URL = "/api/v1/applications/{}/public-key/"
PORTAL = URL.format("portal")


@pytest.fixture
def administrator(organisation: Organisation, client_of: Callable[[str], APIClient]) -> APIClient:
    return client_of(make_token(organisation, application="office", scopes=["admin"]))


def put(client: APIClient, text: Any, url: str = PORTAL) -> Any:
    return client.put(url, {"public_key": text}, format="json")


def entries() -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.event, entry.actor, entry.details) for entry in AuditEntry.objects.order_by("pk")]


def fingerprint_of(name: str) -> str:
    der = make_pair(name).public_key().public_bytes(Encoding.DER, Public.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def test_the_life_of_a_key(administrator: APIClient, organisation: Organisation) -> None:
    assert administrator.get(PORTAL).status_code == 404
    answer = put(administrator, public_pem(make_pair("one")))
    assert answer.status_code == 201
    body = answer.json()
    assert body["application"] == "portal"
    assert body["public_key"] == public_pem(make_pair("one"))
    assert body["fingerprint"] == fingerprint_of("one")
    assert body["registered_by"] == "office"
    assert administrator.get(PORTAL).json() == body
    # The same again changes nothing, however it is written.
    again = put(administrator, "\n" + public_pem(make_pair("one"), Public.PKCS1) + "\n")
    assert (again.status_code, again.json()) == (200, body)
    replaced = put(administrator, public_pem(make_pair("two")))
    assert (replaced.status_code, replaced.json()["fingerprint"]) == (200, fingerprint_of("two"))
    assert ApplicationKey.objects.count() == 1
    assert administrator.delete(PORTAL).status_code == 204
    assert administrator.delete(PORTAL).status_code == 404
    assert find_key(organisation, "portal") is None
    one, two = fingerprint_of("one"), fingerprint_of("two")
    assert entries() == [
        ("APPLICATION_KEY_REGISTERED", "office", told(one, None)),
        ("APPLICATION_KEY_REGISTERED", "office", told(two, one)),
        ("APPLICATION_KEY_REMOVED", "office", told(None, two)),
    ]


def told(fingerprint: str | None, former: str | None) -> dict[str, str | None]:
    return {"application": "portal", "fingerprint": fingerprint, "former_fingerprint": former}


def test_only_administrators_of_the_organisation(
    organisation: Organisation,
    other_organisation: Organisation,
    administrator: APIClient,
    client_of: Callable[[str], APIClient],
) -> None:
    put(administrator, public_pem(make_pair()))
    usual = client_of(make_token(organisation, scopes=[str(scope) for scope in DEFAULT_SCOPES]))
    for answer in (usual.get(PORTAL), put(usual, public_pem(make_pair("two"))), usual.delete(PORTAL)):
        assert (answer.status_code, answer.json()["code"]) == (403, 301)
    assert client_of(make_token(organisation)).get(PORTAL).status_code == 403
    assert APIClient().get(PORTAL).status_code == 401
    stranger = client_of(make_token(other_organisation, scopes=["admin"]))
    assert stranger.get(PORTAL).status_code == stranger.delete(PORTAL).status_code == 404
    assert put(stranger, public_pem(make_pair("two"))).status_code == 201
    assert administrator.get(PORTAL).json()["fingerprint"] == fingerprint_of("portal")


PRIVATE_KEYS = {
    "PKCS#8": private_pem(make_pair()),
    "PKCS#1": private_pem(make_pair(), Private.TraditionalOpenSSL),
    "OpenSSH": private_pem(make_pair(), Private.OpenSSH),
    "after the public one": public_pem(make_pair()) + private_pem(make_pair()),
    "PuTTY": "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14\nAAABAQCv",
    "long": private_pem(make_pair("long", 4096)),
}


@pytest.mark.parametrize("text", PRIVATE_KEYS.values(), ids=PRIVATE_KEYS)
def test_a_private_key_is_refused_and_not_echoed(
    administrator: APIClient, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = put(administrator, text)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/public_key"
    assert "private key" in error["detail"]
    for line in text.splitlines():
        assert len(line) < 40 or line not in answer.content.decode() + caplog.text
    assert not ApplicationKey.objects.exists()
    assert not AuditEntry.objects.exists()


CURVE = ec.generate_private_key(ec.SECP256R1()).public_key()
REFUSED = {
    "nothing": ("", "blank"),
    "no text": (5, "string"),
    "no PEM": ("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "in PEM"),
    "broken": (public_pem(make_pair()).replace("A", "!"), "in PEM"),
    "a certificate": ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "in PEM"),
    "1024 bits": (public_pem(make_pair("short", 1024)), "this one has 1024"),
    "a curve": (CURVE.public_bytes(Encoding.PEM, Public.SubjectPublicKeyInfo).decode(), "RSA key"),
    "a long text": ("x" * 8193, "8192"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_public_key(administrator: APIClient, text: Any, reason: str) -> None:
    answer = put(administrator, text)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/public_key"
    assert reason in error["detail"]
    assert not ApplicationKey.objects.exists()


def test_other_bodies_and_names(administrator: APIClient) -> None:
    answer = administrator.put(PORTAL, {"key": "x"}, format="json")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/key", "/public_key"}
    assert (
        put(administrator, public_pem(make_pair()), URL.format("x" * 41)).json()["errors"][0]["pointer"]
        == "/name"
    )
    assert put(administrator, public_pem(make_pair()), URL.format("x%00y")).status_code == 400
    # Of somebody who sends requests in the admin.
    answer = put(administrator, public_pem(make_pair()), URL.format("admin/marijke"))
    assert (answer.status_code, answer.json()["application"]) == (201, "admin/marijke")


@pytest.mark.django_db(transaction=True)
def test_several_at_once_leave_one_key_and_a_chain_of_entries(organisation: Organisation) -> None:
    names = ["one", "two", "three", "four"]
    texts = [public_pem(make_pair(name)) for name in names]
    done = at_once(4, lambda number: register_key(organisation, "portal", texts[number], by="test"))
    assert sorted(is_new for _, is_new in done) == [False, False, False, True]  # type: ignore[misc]
    former: str | None = None
    for _, _, details in entries():
        assert details["former_fingerprint"] == former
        former = details["fingerprint"]
    assert ApplicationKey.objects.get().fingerprint == former
    assert AuditEntry.objects.count() == 4


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("application_key", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command(organisation: Organisation, tmp_path: Path) -> None:
    file = tmp_path / "portal.pem"
    file.write_text(public_pem(make_pair()))
    assert run("UTILITY", "portal", str(file)) == fingerprint_of("portal") + "\n"
    row = find_key(organisation, "portal")
    assert row is not None
    assert row.registered_by == "command line"
    run("UTILITY", "portal", "--remove")
    assert find_key(organisation, "portal") is None
    assert [(event, actor) for event, actor, _ in entries()] == [
        ("APPLICATION_KEY_REGISTERED", "command line"),
        ("APPLICATION_KEY_REMOVED", "command line"),
    ]


def test_what_the_command_refuses(organisation: Organisation, tmp_path: Path) -> None:
    private, binary = tmp_path / "private.pem", tmp_path / "binary"
    private.write_text(private_pem(make_pair()))
    binary.write_bytes(
        make_pair().public_key().public_bytes(serialization.Encoding.DER, Public.SubjectPublicKeyInfo)
    )
    for arguments, reason in [
        (("NOBODY", "portal", str(private)), "no organisation NOBODY"),
        (("UTILITY", "x" * 41, str(private)), "40 characters"),
        (("UTILITY", "portal", str(private)), "is a private key"),
        (("UTILITY", "portal", str(binary)), "no PEM"),
        (("UTILITY", "portal", str(tmp_path / "none")), "No such file"),
        (("UTILITY", "portal"), "either a FILE"),
        (("UTILITY", "portal", "--remove"), "No public key"),
    ]:
        with pytest.raises(CommandError, match=reason) as info:
            run(*arguments)
        assert "BEGIN" not in str(info.value)
    assert not ApplicationKey.objects.exists()
