"""The database stores an event when a request becomes final."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from osgp.requests import completion_events


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    completion_events.create(schema_editor.connection)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    completion_events.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial"), ("requests", "0011_request_response_url")]

    operations = [migrations.RunPython(forwards, backwards)]
