"""The platform's settings, with the odd messages installed."""

from osgp import settings as platform

globals().update({name: value for name, value in vars(platform).items() if name.isupper()})

INSTALLED_APPS = [*platform.INSTALLED_APPS, "tests.chaos.odd_messages"]
