"""A migration operation that adds a column with a default, and leaves the table as it is.

Django has SQLite copy the whole table instead, which loses its triggers, fails for a table that a view reads,
and takes long. SQLite can add a column whose default is a constant.
"""

from typing import Any

from django.db import migrations


class AddColumn(migrations.AddField):
    """As AddField, for a field with a constant ``db_default`` that is no key of anything."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        field = model._meta.get_field(self.name)
        definition, parameters = schema_editor.column_sql(model, field)
        assert not parameters, "a default of SQLite is part of the statement"
        table, column = map(schema_editor.quote_name, (model._meta.db_table, field.column))
        schema_editor.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
