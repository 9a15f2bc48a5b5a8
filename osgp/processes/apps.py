from django.apps import AppConfig


class ProcessesConfig(AppConfig):
    name = "osgp.processes"
    verbose_name = "Processes"
