from django.apps import AppConfig


class SystemNotesConfig(AppConfig):
    name = "osgp.system_notes"
    verbose_name = "System notes"

    def ready(self) -> None:
        from osgp.system_notes import announcing, telling

        announcing.call_for_notes(telling.tell)
