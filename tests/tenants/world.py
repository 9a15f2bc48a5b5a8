"""The organisation whose things others ask for, and these others."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import ForeignKey, Model
from django.test import Client
from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup, Scope
from osgp.accounts.models import ApiToken, ApplicationKey, Organisation, User
from osgp.devices.models import Device
from osgp.requests.models import Request
from tests import factories, rsa_keys
from tests.tenants.estate import APPLICATION, Estate
from tests.tenants.making import make_estate
from tests.tenants.traces import Rows, Traces, collect_uids, list_rows

STRANGER_METER = "STRANGERMETER1"
EVERY_SCOPE = tuple(str(scope) for scope in Scope)


@dataclass(frozen=True)
class Caller:
    """Somebody who calls the API with a token, or without one."""

    name: str
    token: str = ""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        **headers: str,
    ) -> Any:
        """The answer; a programming error is one as well, with 500."""
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        client = Client(raise_request_exception=False, headers=headers)
        given = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(client, method.lower())(path, query_params=query, **given)


@dataclass(frozen=True)
class World:
    """The estate of an organisation, and who asks for it.

    ``owner`` has every scope; ``stranger`` is of another organisation, with every scope and a device of its
    own, and no grant on any of the estate. The tokens of ``refused`` are not good any more. ``grantees`` have
    one function group each on the devices of the estate.
    """

    estate: Estate
    owner: Caller
    stranger: Caller
    anonymous: Caller
    refused: dict[str, Caller]
    grantees: dict[DeviceFunctionGroup, Caller]
    stranger_organisation: Organisation
    staff: User
    """Of one more organisation, which has nothing, with all permissions."""
    onlooker: User
    """Of no organisation, without permissions."""
    pages: dict[str, str]
    """The primary key of a row of the estate, by the label of each model that has pages."""
    traces: Traces
    request_uids: frozenset[str]
    """The correlation UIDs of all requests."""
    rows: Rows
    references: dict[str, int]
    """How many rows are the organisation's or about its devices (:func:`count_references`)."""
    nowhere: dict[str, str]
    """Like the names of the estate, of nothing that exists."""

    def lacking(self, organisation: Organisation, scope: str) -> Caller:
        """A caller with all scopes but one."""
        scopes = [each for each in EVERY_SCOPE if each != scope]
        return Caller(f"without {scope}", factories.make_token(organisation, scopes=scopes))


def make_world() -> World:
    """All of it."""
    estate = make_estate()
    estate.names["stranger_meter"] = STRANGER_METER
    traces = Traces(collect_uids())
    pages = {
        model._meta.label: str(row.pk)
        for model in admin.site._registry
        if (row := model._default_manager.order_by("pk").last()) is not None
    }
    organisation = estate.organisation
    owner = Caller(
        "owner", factories.make_token(organisation, application=APPLICATION, scopes=list(EVERY_SCOPE))
    )
    other = factories.make_organisation("STRANGER")
    factories.make_device(STRANGER_METER, owner=other)
    estate_devices = [estate.gas_meter, *estate.meters.values()]
    grantees = {}
    for group in DeviceFunctionGroup:
        holder = factories.make_organisation(f"HOLDER-{group}")
        for device in estate_devices:
            factories.grant(holder, device, group)
        ApplicationKey.objects.create(
            organisation=holder,
            application="portal",
            public_key=rsa_keys.public_pem(rsa_keys.make_pair("holder")),
            fingerprint="holder",
            registered_at=timezone.now(),
            registered_by="portal",
        )
        grantees[group] = Caller(f"grantee {group}", factories.make_token(holder, scopes=list(EVERY_SCOPE)))
    empty = factories.make_organisation("EMPTY")
    staff = User.objects.create_user("stranger", is_staff=True, organisation=empty)
    staff.user_permissions.set(Permission.objects.all())
    onlooker = User.objects.create_user("onlooker", is_staff=True)
    return World(
        estate=estate,
        owner=owner,
        stranger=Caller("stranger", factories.make_token(other, scopes=list(EVERY_SCOPE))),
        anonymous=Caller("anonymous"),
        refused=_make_refused(organisation),
        grantees=grantees,
        stranger_organisation=other,
        staff=staff,
        onlooker=onlooker,
        pages=pages,
        traces=traces,
        request_uids=frozenset(map(str, Request.objects.values_list("correlation_uid", flat=True))),
        rows=list_rows(),
        references=count_references(estate),
        nowhere={name: invent(value) for name, value in estate.names.items()},
    )


def count_references(estate: Estate) -> dict[str, int]:
    """How many rows belong to the organisation or are about its devices, by model and field."""
    devices = [device.pk for device in (estate.gas_meter, *estate.meters.values())]
    found = {}
    for model, field in _list_references():
        chosen: Any = estate.organisation if field.related_model is Organisation else devices
        lookup = field.name if field.related_model is Organisation else f"{field.name}__in"
        found[f"{model._meta.label}.{field.name}"] = model._base_manager.filter(**{lookup: chosen}).count()
    return found


def _list_references() -> Iterator[tuple[type[Model], Any]]:
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and field.related_model in (Organisation, Device):
                yield model, field


def _make_refused(organisation: Organisation) -> dict[str, Caller]:
    """Tokens that were good once; the disabled organisation is one of its own."""
    expired = factories.make_token(organisation, expires_at=timezone.now() - timedelta(seconds=1))
    revoked = factories.make_token(organisation, application="revoked")
    ApiToken.objects.filter(application="revoked").update(revoked_at=timezone.now())
    disabled = factories.make_token(factories.make_organisation("DISABLED", enabled=False))
    return {
        "expired": Caller("expired token", expired),
        "revoked": Caller("revoked token", revoked),
        "disabled": Caller("disabled organisation", disabled),
        "unknown": Caller("unknown token", f"osgp_{'x' * 43}"),
    }


def invent(value: str) -> str:
    """Something of the same kind that is nowhere."""
    try:
        uuid.UUID(value)
    except ValueError:
        pass
    else:
        return str(uuid.uuid4())
    if value.isdigit():
        return str(int(value) + 9_000_000)
    if value.count("-") == 2 and value[:2] == "20":
        return value  # a day is nobody's
    for word, other in (("aquarius", "nowheres"), ("AQUARIUS", "NOWHERES")):
        value = value.replace(word, other)
    return value
