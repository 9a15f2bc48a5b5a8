"""Asks all electricity meters of a platform for their readings at one moment, and waits for all answers.

`python -m scripts.benchmarks.round_of_reads ORGANISATION SECONDS` submits ActualMeterReads for each, due in
SECONDS from now, so that submitting costs the round nothing. Prints the moment as soon as all are stored,
and what came of them when the round is over; both as JSON.
"""

import json
import os
import sys
import time
from datetime import datetime, timedelta
from typing import Any

DEADLINE_SECONDS = 600


def main(organisation: str, seconds: str) -> None:
    """One round."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")
    import django

    django.setup()
    from django.utils import timezone

    from osgp.accounts.caller import Caller
    from osgp.accounts.functions import Scope
    from osgp.accounts.models import Organisation
    from osgp.devices.models import Device, DeviceType
    from osgp.requests.submission import submit

    caller = Caller(
        Organisation.objects.get(identification=organisation), "bench", frozenset({str(Scope.MONITORING)})
    )
    names = Device.objects.filter(device_type=DeviceType.SMART_METER_E).values_list(
        "identification", flat=True
    )
    due = timezone.now() + timedelta(seconds=float(seconds))
    begun = time.perf_counter()
    submitted = [
        submit(
            caller,
            "ActualMeterReads",
            {"device_identification": name, "schedule_time": due.isoformat(), "bypass_retry": True},
        ).pk
        for name in names
    ]
    submitting = time.perf_counter() - begun
    if timezone.now() >= due:
        raise SystemExit(f"Submitting took {submitting:.0f} s, longer than the {seconds} s until the round.")
    print(json.dumps({"due": due.timestamp()}), flush=True)
    time.sleep(max(0.0, due.timestamp() - time.time()))
    print(json.dumps(_outcome(submitted, due) | {"submitting_seconds": submitting}), flush=True)


def _outcome(submitted: list[int], due: datetime) -> dict[str, Any]:
    from django.db.models import Max

    from osgp.requests.models import FINAL_STATES, Request, RequestState

    requests = Request.objects.filter(pk__in=submitted)
    end = time.monotonic() + DEADLINE_SECONDS
    while requests.filter(state__in=FINAL_STATES).count() < len(submitted):
        if time.monotonic() > end:
            raise SystemExit("The round did not end in time.")
        time.sleep(0.5)
    last = requests.aggregate(last=Max("completed_at"))["last"]
    return {
        "requests": len(submitted),
        "succeeded": requests.filter(state=RequestState.SUCCEEDED).count(),
        "seconds": (last - due).total_seconds(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
