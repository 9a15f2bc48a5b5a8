"""Settings for mypy: those of the embedded default, whatever the environment of the moment says."""

import os

for name in ("DATABASE_URL", "BROKER_URL"):
    os.environ.pop(name, None)
os.environ["OSGP_EMBEDDED"] = "1"

from osgp.settings import *  # noqa: E402, F403
