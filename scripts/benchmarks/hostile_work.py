"""What a tenant with hostile meters asks of them, all the time."""

from collections.abc import Mapping
from typing import Any

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
