"""The shipped profiles, all Dutch, by what they have in common; later ones of a generation have more."""

from osgp import catalogue

DSMR2 = ("DSMR-2.2",)
DSMR4 = ("DSMR-4.2.2", "SMR-4.3")
SMR5 = ("SMR-5.0.0", "SMR-5.1", "SMR-5.2", "SMR-5.2c", "SMR-5.5")
FROM_52 = SMR5[2:]
WITH_THD = SMR5[3:]
NOT_DSMR2 = DSMR4 + SMR5
ALL = DSMR2 + DSMR4 + SMR5

BY_KEY = {profile.key: profile for profile in catalogue.list_profiles()}
"""Those that are not shipped as well."""
SHIPPED = tuple(BY_KEY[key] for key in ALL)
"""Tests of what is Dutch are about these; all others are about ``catalogue.list_profiles()``."""
