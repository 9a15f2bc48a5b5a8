"""Registers described meters through the REST API, as an installation department would."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from osgp.devices.transport_keys import encrypt_for_platform
from osgp.embedded.client import ApiClient, ApiError
from osgp.installation.device_parameters import MBUS_SECRETS

Description = Mapping[str, Any]
"""One meter as ``osgp.simulator`` describes it: ``add_device`` (fields of AddDevice) and ``keys``."""

TEXT_KEYS = frozenset({"lls_password"})


class InvalidDescription(ValueError):
    """A description of a meter lacks something or holds something of the wrong kind."""


@dataclass(frozen=True)
class Registration:
    """What came of registering one device; ``problem`` is empty if it went well."""

    device_identification: str
    problem: str = ""


def check_descriptions(descriptions: Sequence[Description]) -> None:
    """Raise InvalidDescription, which names all that are wrong: before the first of them is registered."""
    problems = []
    for place, description in enumerate(descriptions, 1):
        try:
            build_add_device_body(description, lambda _: "")
        except InvalidDescription as error:
            problems.append(f"meter {place}: {error}")
    if problems:
        raise InvalidDescription("\n".join(problems))


def build_add_device_body(
    description: Description, encrypt: Callable[[bytes], str], *, overwrite: bool = False
) -> dict[str, Any]:
    """Return the AddDevice body of a described meter, its keys encrypted for the platform.

    Of M-Bus keys AddDevice takes all or none: some alone, as older simulators describe them,
    are left out. Raises InvalidDescription.
    """
    fields, keys = description.get("add_device"), description.get("keys", {})
    if not isinstance(fields, Mapping) or not isinstance(keys, Mapping):
        raise InvalidDescription("a meter is described by the objects add_device and keys")
    if not isinstance(fields.get("device_identification"), str):
        raise InvalidDescription("add_device lacks its device_identification")
    body = {**fields, "overwrite": overwrite}
    given = {name: value for name, value in keys.items() if value}
    has_mbus_keys = all(name in given for name in MBUS_SECRETS)
    for name, value in given.items():
        if has_mbus_keys or name not in MBUS_SECRETS:
            body[name] = encrypt(_parse_key(fields["device_identification"], name, value))
    return body


def _parse_key(device: str, name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidDescription(f"{name} of {device} is no text")
    try:
        return value.encode("ascii") if name in TEXT_KEYS else bytes.fromhex(value)
    except ValueError:
        # The value itself is a secret and stays out of the message, as does the error that quotes it.
        raise InvalidDescription(f"{name} of {device} is not written in hexadecimal digits") from None


def split_into_rounds(descriptions: Sequence[Description]) -> tuple[list[Description], list[Description]]:
    """Return the meters that are dialled, then those behind a gateway, which must exist before them."""
    behind = [item for item in descriptions if item.get("add_device", {}).get("gateway")]
    return [item for item in descriptions if item not in behind], behind


def register(
    api: ApiClient, descriptions: Sequence[Description], *, overwrite: bool = False, deadline: float = 120.0
) -> Iterator[Registration]:
    """Add every described device; yields the outcome of each as it is known.

    Those that exist already are refused, or replaced with ``overwrite``. Raises InvalidDescription before the
    first, ApiError when there is no public key to be had, and OSError.
    """
    check_descriptions(descriptions)
    pem = str(api.get("/configuration/public-key/")["public_key"])

    def encrypt(key: bytes) -> str:
        return encrypt_for_platform(pem, key)

    for descriptions_of_round in split_into_rounds(descriptions):
        submitted = []
        for description in descriptions_of_round:
            body = build_add_device_body(description, encrypt, overwrite=overwrite)
            try:
                submitted.append(api.submit("installation", "add-device", body))
            except ApiError as error:
                yield Registration(body["device_identification"], str(error))
        waiting = {str(answer["correlation_uid"]): answer for answer in submitted}
        for answer in api.fetch_final_answers(submitted, deadline=deadline):
            del waiting[answer["correlation_uid"]]
            problem = "" if answer["status"] == "SUCCEEDED" else format_fault(answer)
            yield Registration(answer["device_identification"], problem)
        for answer in waiting.values():
            yield Registration(answer["device_identification"], f"not done within {deadline:.0f} s")


def format_fault(answer: Mapping[str, Any]) -> str:
    """Return the fault of a final answer in one line."""
    fault = answer.get("fault") or {}
    return f"{fault.get('code', '?')} {fault.get('message', answer.get('status'))}"
