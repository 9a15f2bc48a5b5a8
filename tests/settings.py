"""The platform's settings for tests: beside the profiles that are shipped there is one that is not Dutch.

Meters are dialled on this machine, which production does not.

Profiles are read when the first module asks for them, so their folder is told before Django is set up.
Processes that tests start find it in their environment.
"""

import os
from pathlib import Path

from osgp.environment import read_list

IS_EMBEDDED = "DATABASE_URL" not in os.environ
if IS_EMBEDDED:
    os.environ["OSGP_EMBEDDED"] = "1"

from osgp import settings as platform  # noqa: E402 (it reads the environment)

if IS_EMBEDDED:
    # Processes that tests start are told by themselves what they are.
    del os.environ["OSGP_EMBEDDED"]

os.environ["OSGP_PROFILES"] = str(Path(__file__).parent / "profiles")

os.environ["OSGP_METER_NETWORKS"] = "0.0.0.0/0,::/0,127.0.0.0/8,::1/128"

globals().update({name: value for name, value in vars(platform).items() if name.isupper()})

OSGP = platform.OSGP | {"METER_NETWORKS": read_list("OSGP_METER_NETWORKS")}
