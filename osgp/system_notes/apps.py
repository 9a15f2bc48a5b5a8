from django.apps import AppConfig


class SystemNotesConfig(AppConfig):
    name = "osgp.system_notes"
    verbose_name = "System notes"
