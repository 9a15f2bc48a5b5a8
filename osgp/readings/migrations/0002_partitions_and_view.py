"""On PostgreSQL the chunks are partitioned by month; on both there is a view with a row per value."""

from django.db import migrations

from osgp.readings import sql_view

PARTITIONED = """
CREATE TABLE readings_chunk_all (LIKE readings_chunk INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
 PARTITION BY RANGE (start);
DROP TABLE readings_chunk;
ALTER TABLE readings_chunk_all RENAME TO readings_chunk;
ALTER TABLE readings_chunk ADD PRIMARY KEY (series_id, start);
"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(PARTITIONED)
        schema_editor.execute(sql_view.POSTGRESQL)
    else:
        schema_editor.execute(sql_view.SQLITE)


def backwards(apps, schema_editor):
    schema_editor.execute(f"DROP VIEW {sql_view.NAME}")


class Migration(migrations.Migration):
    dependencies = [("readings", "0001_initial")]

    operations = [migrations.RunPython(forwards, backwards)]
