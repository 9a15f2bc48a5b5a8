"""Accepting the gaps of devices that were chosen on the page of missing readings, and taking that back."""

import re
from collections.abc import Iterator, Sequence

from django.contrib import messages
from django.http import HttpRequest

from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.completeness import accepting, missing
from osgp.completeness.gaps import DeviceGaps
from osgp.completeness.models import LONGEST_COMMENT
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.sending import make_caller
from osgp.readings.rights import READERS

MOST_CHOSEN = 200
"""Devices; a page has fewer."""


def is_about_acceptance(request: HttpRequest) -> bool:
    """Whether one of the buttons below the table was pressed."""
    return "accept" in request.POST or "take_back" in request.POST


def accept_chosen(
    request: HttpRequest, question: missing.Question, organisation: Organisation | None
) -> None:
    """Accept the gaps of the chosen devices, or take that back; tell what came of it."""
    comment = request.POST.get("comment", "").strip()
    accepts = "accept" in request.POST
    chosen = [key for key in request.POST.getlist("chosen") if re.fullmatch("[0-9]{1,18}", key)][:MOST_CHOSEN]
    if not chosen:
        messages.error(request, "Choose devices first.")
        return
    if accepts and not 1 <= len(comment) <= LONGEST_COMMENT:
        messages.error(request, f"Say why, in {LONGEST_COMMENT} characters at most.")
        return
    narrowed = question.narrow([int(key) for key in chosen])
    page = missing.find_missing(narrowed, len(chosen))
    devices = gaps = pending = 0
    for caller, found in share_out(request, organisation, page.found):
        one = (
            accepting.accept(caller, narrowed, found, comment)
            if accepts
            else accepting.take_back(narrowed, found)
        )
        devices, gaps, pending = devices + one.devices, gaps + one.gaps, pending + one.pending
    verb = "Accepted" if accepts else "Taken back"
    text = f"{verb}: {count_rows(gaps, 'gap')} of {count_rows(devices, 'meter')}."
    if pending:
        text += f" Left out, as they are being fetched: {count_rows(pending, 'gap')}."
    messages.success(request, text)


def share_out(
    request: HttpRequest, organisation: Organisation | None, found: Sequence[DeviceGaps]
) -> Iterator[tuple[Caller, list[DeviceGaps]]]:
    """Yield the user acting for each organisation that may read some of these devices, with those devices.

    Only the user's own organisation, if there is one.
    """
    keys = [one.device.pk for one in found]
    senders = [organisation] if organisation is not None else _find_readers(keys)
    for sender in senders:
        granted = set(list_granted_devices(sender, READERS).filter(pk__in=keys).values_list("pk", flat=True))
        yield make_caller(sender, request), [one for one in found if one.device.pk in granted]


def _find_readers(devices: Sequence[int]) -> list[Organisation]:
    """Organisations that may read some of these devices."""
    return list(
        Organisation.objects.filter(
            enabled=True,
            authorisations__device__in=devices,
            authorisations__function_group__in=("OWNER", "MONITORING"),
        )
        .distinct()
        .order_by("pk")
    )
