from django.apps import AppConfig
from django.core.signals import request_started


class ProcessesConfig(AppConfig):
    name = "osgp.processes"
    verbose_name = "Processes"

    def ready(self) -> None:
        """Web threads look after their connections before each call."""
        from osgp.processes.database import replace_lost_connection  # Settings are needed first.

        request_started.connect(replace_lost_connection)
