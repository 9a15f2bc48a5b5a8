from django.apps import AppConfig
from django.core.signals import request_started


class ProcessesConfig(AppConfig):
    name = "osgp.processes"
    verbose_name = "Processes"

    def ready(self) -> None:
        """Web threads look after their connections before each call."""
        from osgp.processes.database import close_ended_connection  # Settings are needed first.

        request_started.connect(close_ended_connection)
