"""The platform's settings for tests: beside the profiles that are shipped there is one that is not Dutch.

Profiles are read when the first module asks for them, so their folder is told before Django is set up.
Processes that tests start find it in their environment.
"""

import os
from pathlib import Path

from osgp import settings as platform

os.environ["OSGP_PROFILES"] = str(Path(__file__).parent / "profiles")

globals().update({name: value for name, value in vars(platform).items() if name.isupper()})
