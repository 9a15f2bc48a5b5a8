"""Upgrading: a database that a former release filled is migrated, and the platform goes on with it."""

import base64
from pathlib import Path

DUMPS = Path(__file__).parent / "dumps"
"""What a former release wrote; made by tests/upgrade/fill.py."""
PASSWORD = "throw away this password"
"""Of the users in the dumps."""
KEY_ENCRYPTION_KEY = base64.b64encode(b"seals keys of simulated meters!!").decode()
ENVIRONMENT = {
    "SECRET_KEY": "throw-away secret key of the dumps of tests/upgrade",
    "OSGP_KEY_ENCRYPTION_KEYS": f"throw-away:{KEY_ENCRYPTION_KEY}",
    "OSGP_LOCAL_SECRETS": "1",
    "OSGP_RETRY_DELAY_SECONDS": "3600",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "LOG_LEVEL": "WARNING",
}
"""Under which the dumps were made; their secrets protect simulated meters only."""
REPEATED = (
    "/api/v1/monitoring/actual-meter-reads/",
    {"device_identification": "SIME0000000000001", "priority": 6},
)
"""Path and body of the POST that was sent under the idempotency key ``tests-upgrade``."""
