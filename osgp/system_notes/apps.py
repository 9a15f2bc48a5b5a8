from django.apps import AppConfig


class SystemNotesConfig(AppConfig):
    name = "osgp.system_notes"
    verbose_name = "System notes"

    def ready(self) -> None:
        from osgp.devices import keystore
        from osgp.system_notes import announcing, housekeeping, keeping, telling

        keystore.call_for_new_keys(keeping.resolve_by_keys)
        announcing.call_for_notes(telling.tell)
        housekeeping.register()
