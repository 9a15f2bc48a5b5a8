"""The tables that grow are analyzed after a number of changes, not a share of all that they keep."""

import pytest
from django.db import connection, models

from osgp.requests.models import Action, IdempotencyKey, MeterSession, Request

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [Request, Action, MeterSession, IdempotencyKey])
def test_a_fleet_that_waits_is_noticed_however_much_is_kept(model: type[models.Model]) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps no statistics unless it is told to.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        [options] = cursor.fetchone()
    told = dict(option.split("=") for option in options)
    assert float(told["autovacuum_analyze_scale_factor"]) == 0
    assert int(told["autovacuum_analyze_threshold"]) <= 50_000
    assert float(told["autovacuum_vacuum_scale_factor"]) <= 0.05
