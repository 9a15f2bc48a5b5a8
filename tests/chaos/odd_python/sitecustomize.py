"""Python runs this first in processes whose PYTHONPATH begins with this directory (see chaos/oddities.py)."""

import os

if "ODD_CLOCK" in os.environ:
    from tests.chaos.oddities import shift_clock

    shift_clock(float(os.environ["ODD_CLOCK"]))

if "ODD_HINTS" in os.environ:
    from tests.chaos.oddities import Courier

    Courier.named(os.environ["ODD_HINTS"]).replace_the_reliable_one()
