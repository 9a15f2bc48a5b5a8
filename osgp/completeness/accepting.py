"""Accepting gaps with a reason, and taking that back."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from osgp.accounts.caller import Caller
from osgp.completeness.gaps import DeviceGaps, Reason
from osgp.completeness.missing import Question, find_locked_gaps
from osgp.completeness.models import AcceptedGap
from osgp.readings import clock


@dataclass
class AcceptResult:
    """What was accepted, or taken back."""

    devices: int = 0
    gaps: int = 0
    pending: int = 0
    """Gaps that are not accepted because a request for them is pending."""


@transaction.atomic
def accept(caller: Caller, question: Question, found: Sequence[DeviceGaps], comment: str) -> AcceptResult:
    """Accept the gaps of these devices, with a comment that says why they are no harm.

    Those that are accepted already keep their comment; those that are being fetched are left alone.
    """
    outcome = AcceptResult()
    rows: list[AcceptedGap] = []
    now = clock.now()
    for one in find_locked_gaps(question, found):
        gaps = [gap for gap in one.gaps if gap.reason not in (Reason.BEING_FETCHED, Reason.ACCEPTED)]
        outcome.pending += sum(gap.reason == Reason.BEING_FETCHED for gap in one.gaps)
        outcome.devices += bool(gaps)
        rows += [
            AcceptedGap(
                device=one.device,
                period=question.period,
                first_interval_end=gap.first,
                last_interval_end=gap.last,
                organisation=caller.organisation,
                accepted_by=caller.application,
                accepted_at=now,
                comment=comment,
            )
            for gap in gaps
        ]
    AcceptedGap.objects.bulk_create(rows)
    outcome.gaps = len(rows)
    return outcome


@transaction.atomic
def take_back(question: Question, found: Sequence[DeviceGaps]) -> AcceptResult:
    """Let accepted gaps of these devices be missing again: whole ones, also beyond the days in question."""
    outcome = AcceptResult()
    keys: set[int] = set()
    for one in find_locked_gaps(question, found):
        # One gap may be under several acceptances.
        gaps = [gap for gap in one.gaps if gap.acceptance]
        outcome.devices += bool(gaps)
        outcome.gaps += len(gaps)
        for gap in gaps:
            over = AcceptedGap.objects.filter(
                device=one.device,
                period=question.period,
                first_interval_end__lte=gap.last,
                last_interval_end__gte=gap.first,
            )
            keys.update(over.values_list("pk", flat=True))
    AcceptedGap.objects.filter(pk__in=keys).delete()
    return outcome
