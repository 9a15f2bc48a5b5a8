"""The last result of a message to a device, as far as requests are kept."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q

from osgp.requests.models import Action, ActionState


def find_last_result(
    device_id: int, message: str, parameters: Mapping[str, Any], times: Collection[str]
) -> Mapping[str, Any] | None:
    """Return the result of the last success of a message to a device with these parameters, which are JSON.

    Parameters that are named in ``times`` may differ. None: there is none any more.
    """
    done = Action.objects.filter(message=message, state=ActionState.DONE, result__isnull=False)
    wanted = _leave_out(parameters, times)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    # Two queries, each by its own index, as those of a device in a bundle are found by the action. Told to
    # stop at the latest ones, PostgreSQL might look through the actions of all devices from the latest on.
    for whose in (Q(device=device_id), Q(device__isnull=True, request__device=device_id)):
        rows += done.filter(whose).values_list("pk", "parameters")
    for pk, stored in sorted(rows, key=lambda row: row[0], reverse=True):
        if _leave_out(stored, times) == wanted:
            return Action.objects.values_list("result", flat=True).filter(pk=pk).first()
    return None


def _leave_out(parameters: Mapping[str, Any], times: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in times}
