"""How slots are shared among organisations, urgent requests and slow meters (docs/how-to/share-slots.md)."""

import os
from datetime import timedelta
from typing import Any


def make_sharing_settings() -> dict[str, Any]:
    """Return the part of ``settings.OSGP`` that says so, as the environment has it."""
    return {
        # From this priority on, requests are urgent; the part of all slots that is kept for them, and the
        # part of these that one organisation may use at a time.
        "URGENT_PRIORITY": int(os.environ.get("OSGP_URGENT_PRIORITY", "7")),
        "URGENT_SHARE": float(os.environ.get("OSGP_URGENT_SHARE", "0.1")),
        "URGENT_SHARE_PER_ORGANISATION": float(os.environ.get("OSGP_URGENT_SHARE_PER_ORGANISATION", "0.25")),
        # The part of all slots in which slow meters are visited, and the seconds for each step from which on
        # a meter is slow; a visit with less progress gives its slot back when it is that old.
        "SLOW_SHARE": float(os.environ.get("OSGP_SLOW_SHARE", "0.25")),
        "SLOW_PACE": timedelta(seconds=float(os.environ.get("OSGP_SLOW_PACE_SECONDS", "5"))),
        "SLOW_AFTER": timedelta(seconds=float(os.environ.get("OSGP_SLOW_AFTER_SECONDS", "20"))),
        # Of organisations without limits of their own: meters visited at a time, 0 for no limit, and waiting
        # requests.
        "ORGANISATION_MAX_VISITS": int(os.environ.get("OSGP_ORGANISATION_MAX_VISITS", "0")),
        "ORGANISATION_MAX_WAITING": int(os.environ.get("OSGP_ORGANISATION_MAX_WAITING", "2000000")),
    }
