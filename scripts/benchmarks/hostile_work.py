"""What a tenant asks of its hostile meters, and what becomes of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from rest_framework.exceptions import APIException

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.faults import Component, Fault, FaultCode
from osgp.requests.models import (
    FINAL_STATES,
    Action,
    ActionState,
    MeterSession,
    Request,
    SessionState,
)
from osgp.requests.submission import make_organisation_caller
from scripts.benchmarks.hostile_meters import find_kind
from scripts.benchmarks.reads import submit_held

BUNDLED: Mapping[str, Mapping[str, Any]] = {
    "ActualMeterReads": {},
    "PeriodicMeterReads": {
        "period_type": "DAILY",
        "begin_date": "2026-01-01T00:00:00Z",
        "end_date": "2026-02-01T00:00:00Z",
    },
    "GetSpecificConfigurationObject": {"class_id": 3, "obis_code": "1.0.1.8.0.255", "attribute": 2},
    "GetAssociationLnObjects": {},
    "RetrieveConfigurationObjects": {},
}
"""Messages with their parameters."""
MESSAGES: Sequence[Mapping[str, Any]] = (
    *({"message": name, **parameters} for name, parameters in BUNDLED.items()),
    {
        "message": "Bundle",
        "actions": [{"message": name, **parameters} for name, parameters in BUNDLED.items()],
    },
)
"""What is sent, in turn: each of them alone, and all of them in a bundle."""
PRIORITIES = (4, 9)
UNFINISHED = 2
"""Requests that each meter has at most: one that is carried out, and one that waits."""


class Tenant:
    """Asks something of its hostile meters, once for each time that the good ones are read."""

    def __init__(self, organisation: Organisation, identifications: Sequence[str]) -> None:
        self.organisation = organisation
        self.identifications = identifications
        self.refused = 0
        """Requests that the platform did not accept."""
        self._caller = make_organisation_caller(organisation, "bench")
        self._turns = {name: place for place, name in enumerate(identifications)}

    def ask(self) -> list[Batch]:
        """Ask something of each meter that has fewer than UNFINISHED requests; they are not due yet."""
        unfinished = dict(
            Request.objects.filter(organisation=self.organisation)
            .exclude(state__in=FINAL_STATES)
            .order_by()
            .values_list("device_identification")
            .annotate(Count("pk"))
        )
        alike: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for name in self.identifications:
            if unfinished.get(name, 0) < UNFINISHED:
                turn = self._turns[name]
                self._turns[name] += 1
                # With each round of all messages, the other priority.
                rounds = turn // len(MESSAGES)
                alike[turn % len(MESSAGES), PRIORITIES[rounds % len(PRIORITIES)]].append(name)
        batches = []
        for (place, priority), names in alike.items():
            body = {**MESSAGES[place], "priority": priority, "bypass_retry": True}
            try:
                batches.append(submit_held(body, self._caller, names))
            except (Fault, APIException):
                self.refused += len(names)
        return batches

    def find_visits(self) -> QuerySet[MeterSession]:
        """Visits to its meters that have begun."""
        return MeterSession.objects.filter(
            meter__authorisations__organisation=self.organisation, claimed_at__isnull=False
        )

    def list_outcomes(self) -> dict[str, "Outcome"]:
        """What became of its work, by kind of meter, of all that the tables hold."""
        outcomes: defaultdict[str, Outcome] = defaultdict(Outcome)
        now = timezone.now()
        columns = ("meter__identification", "state", "claimed_at", "closed_at", "expires_at")
        for name, state, claimed_at, closed_at, expires_at in self.find_visits().values_list(*columns):
            outcome = outcomes[find_kind(name) or name]
            outcome.visits += 1
            outcome.lost += state == SessionState.LOST
            # Not closed: it goes on, or its lease ran out.
            held = (closed_at or min(now, expires_at)) - claimed_at
            outcome.longest = max(outcome.longest, held.total_seconds())
        actions = Action.objects.filter(
            request__organisation=self.organisation, request__state__in=FINAL_STATES
        )
        for name, state, own, of_request in actions.values_list(
            "request__device_identification", "state", "fault", "request__fault"
        ):
            outcomes[find_kind(name) or name].note_action(state, own or of_request)
        return dict(outcomes)


@dataclass
class Outcome:
    """What became of the visits to the meters of a kind, and of what was asked of them."""

    visits: int = 0
    longest: float = 0.0
    """Seconds that a visit held its place at most, also one that is not over."""
    lost: int = 0
    """Visits whose lease ran out."""
    actions: Counter[str] = field(default_factory=Counter)
    """By fault code, or ``result``."""
    internal: int = 0
    """Of these, faults because of an internal error of the platform."""

    def add(self, other: "Outcome") -> None:
        """Count another one in."""
        self.visits += other.visits
        self.longest = max(self.longest, other.longest)
        self.lost += other.lost
        self.actions += other.actions
        self.internal += other.internal

    def note_action(self, state: str, fault: Mapping[str, Any] | None) -> None:
        """Count an action of a request that is final."""
        if state == ActionState.DONE:
            self.actions["result"] += 1
        elif fault is not None:
            self.actions[f"{fault['code']} {fault['name']}"] += 1
            self.internal += is_internal(fault)

    def __str__(self) -> str:
        told = ", ".join(f"{number} × {what}" for what, number in self.actions.most_common(4))
        return told or "no outcome yet"


def is_internal(fault: Mapping[str, Any]) -> bool:
    """Whether it is what remains of an exception that nobody expected."""
    return (
        fault["component"] == Component.CORE
        and fault["code"] == FaultCode.UNABLE_TO_PROCESS_REQUEST
        and "internal error" in fault["message"]
    )
