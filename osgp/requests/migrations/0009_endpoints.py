"""Leases belong to endpoints, and addresses of devices are in the form in which endpoints are compared.

Nothing waits for long: the column is empty at first, and the index is made without locking the table. Live
sessions of the former release have no endpoint; they run out, or are closed, within minutes. A million
addresses take some ten seconds to look through; those that change are few.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState, StateApps

from osgp.devices.addresses import canonicalise

PER_ROUND = 2000


class AddUniqueIndex(migrations.AddConstraint):
    """Concurrently on PostgreSQL; SQLite has one writer anyway."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        # A migration that was interrupted leaves an index behind that is invalid.
        name = schema_editor.quote_name(self.constraint.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        statement = str(self.constraint.create_sql(model, schema_editor))
        schema_editor.execute(statement.replace("UNIQUE INDEX", "UNIQUE INDEX CONCURRENTLY", 1))


def canonicalise_addresses(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    devices = apps.get_model("devices", "Device")._default_manager
    addresses = devices.order_by("pk").values_list("pk", "network_address")
    last = 0
    while rows := list(addresses.filter(pk__gt=last)[:PER_ROUND]):
        for pk, address in rows:
            if (canonical := canonicalise(address)) != address:
                # Unless it was changed meanwhile.
                devices.filter(pk=pk, network_address=address).update(network_address=canonical)
        last = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("devices", "0008_hls_active"),
        ("requests", "0008_autovacuum"),
    ]

    operations = [
        migrations.AddField(
            model_name="metersession",
            name="endpoint",
            field=models.CharField(
                editable=False,
                help_text="Where the meter was to be dialled when this was opened (requests/endpoints.py).",
                max_length=267,
                null=True,
            ),
        ),
        AddUniqueIndex(
            model_name="metersession",
            constraint=models.UniqueConstraint(
                condition=~models.Q(state__in=["CLOSED", "LOST"]) & models.Q(endpoint__gt=""),
                fields=("endpoint",),
                name="one_live_session_per_endpoint",
            ),
        ),
        migrations.RunPython(canonicalise_addresses, migrations.RunPython.noop),
    ]
