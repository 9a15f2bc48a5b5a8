"""How large results may be: one, and those of a bundle together. What is larger becomes a fault.

The measure is the JSON text, which is made here, once, and stored as it is. The readings of a result that is
too large are kept: they are stored in columns. So is what it changed. Messages that read rows end with those
that they have before it comes to this (osgp/messages/buffer_reading.py).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from osgp.faults import Component, Fault, FaultCode
from osgp.requests.models import ActionState
from osgp.requests.result_texts import measure_results
from osgp.requests.work import WorkAction
from osgp.visits.outages import PatientLanes
from osgp.visits.outcome import ActionOutcome

MIB = 1024 * 1024
ALWAYS_FITS = 16 * 1024
"""Octets of a result that is kept in any case, so that what a write tells is not lost for what was read."""
_ASK_FOR_LESS = "Ask for less: a shorter range, or fewer objects"


class ResultTooLarge(Fault):
    """A result is too large to be kept, although the message was carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(FaultCode.UNABLE_TO_PROCESS_REQUEST, message, component=Component.CORE)


def encode_result(result: Mapping[str, Any]) -> str:
    """Return a result as JSON text, as it is stored. Raises ResultTooLarge."""
    text = json.dumps(dict(result))
    most = settings.OSGP["RESULT_MIB"] * MIB
    if len(text) > most:
        raise ResultTooLarge(
            f"It was carried out, but its result has {_show(len(text))}, and a result may have "
            f"{_show(most)}. {_ASK_FOR_LESS}."
        )
    return text


class ResultRoom:
    """The room for the results of each bundle that one visit carries out."""

    def __init__(self, database: PatientLanes) -> None:
        self._database = database
        self._taken: dict[int, int] = {}
        """Octets of results by request, from its first large one on."""

    def fit(self, outcome: ActionOutcome) -> ActionOutcome:
        """Return the outcome with its result as text; with a fault instead if that is too large."""
        if outcome.result is None:
            if not isinstance(outcome.partial_result, str):
                return outcome
            # Its fault tells already that it is not whole; without the part, its readings are all there is.
            fits = self._take(outcome.action, len(outcome.partial_result))
            return outcome if fits else replace(outcome, partial_result=None)
        try:
            text = outcome.result if isinstance(outcome.result, str) else encode_result(outcome.result)
            if not self._take(outcome.action, len(text)):
                most = _show(settings.OSGP["REQUEST_RESULTS_MIB"] * MIB)
                raise ResultTooLarge(
                    f"It was carried out, but with its result of {_show(len(text))} those of this bundle "
                    f"would have more than {most}. {_ASK_FOR_LESS}, or in several bundles."
                )
        except ResultTooLarge as fault:
            return replace(outcome, state=ActionState.FAULT, result=None, fault=fault)
        return replace(outcome, result=text)

    def _take(self, action: WorkAction, octets: int) -> bool:
        """Take room for a result; return whether there is enough. A single action always has enough."""
        request = action.request
        if not request.is_bundle:
            return True
        taken = self._taken.get(request.pk)
        if taken is None:
            if octets <= ALWAYS_FITS:
                return True
            # Those of former visits, and of earlier actions of this one, are stored.
            taken = self._database.run(measure_results, request.pk, action.pk)
        fits = octets <= ALWAYS_FITS or taken + octets <= settings.OSGP["REQUEST_RESULTS_MIB"] * MIB
        self._taken[request.pk] = taken + octets if fits else taken
        return fits


def _show(octets: int) -> str:
    return f"{octets / MIB:.1f} MiB"
