"""Registers described meters from within the platform, for fleets too large to be posted one by one."""

import time
from collections.abc import Iterator, Sequence

from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation
from osgp.devices.transport_keys import encrypt_for_platform, export_public_key
from osgp.embedded.registration import (
    Description,
    Registration,
    build_add_device_body,
    check_descriptions,
    format_fault,
    split_into_rounds,
)
from osgp.faults import Fault
from osgp.requests.models import FINAL_STATES, Request, RequestState
from osgp.requests.submission import submit
from osgp.visits.platform_requests import perform_due

BATCH = 200


def register_directly(
    organisation: Organisation,
    descriptions: Sequence[Description],
    *,
    overwrite: bool = False,
    deadline: float = 120.0,
) -> Iterator[Registration]:
    """Add every described device as requests of ``organisation``, carried out here or by a faster worker.

    Yields the outcome of each as it is known; those that exist already are refused, or replaced with
    ``overwrite``. Raises registration.InvalidDescription.
    """
    check_descriptions(descriptions)
    pem = export_public_key()
    caller = Caller(organisation, "register_fleet", frozenset({str(Scope.INSTALLATION)}))
    for descriptions_of_round in split_into_rounds(descriptions):
        for start in range(0, len(descriptions_of_round), BATCH):
            submitted: list[Request] = []
            for description in descriptions_of_round[start : start + BATCH]:
                body = build_add_device_body(
                    description, lambda key: encrypt_for_platform(pem, key), overwrite=overwrite
                )
                try:
                    submitted.append(submit(caller, "AddDevice", body))
                except (ValidationError, Fault) as error:
                    yield Registration(body["device_identification"], str(error))
            yield from _carry_out(submitted, deadline)


def _carry_out(submitted: Sequence[Request], deadline: float) -> Iterator[Registration]:
    """Carry out due requests, and wait for those that other processes have taken."""
    end = time.monotonic() + deadline
    waiting = {request.pk: request.device_identification for request in submitted}
    while waiting:
        done_here = perform_due(BATCH)
        for request in Request.objects.filter(pk__in=waiting, state__in=FINAL_STATES):
            failed = request.state != RequestState.SUCCEEDED
            problem = format_fault({"fault": request.fault, "status": request.state}) if failed else ""
            yield Registration(waiting.pop(request.pk), problem)
        if waiting and not done_here:
            if time.monotonic() > end:
                yield from (
                    Registration(name, f"not done within {deadline:.0f} s") for name in waiting.values()
                )
                return
            time.sleep(0.1)
