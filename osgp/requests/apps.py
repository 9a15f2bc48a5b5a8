from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RequestsConfig(AppConfig):
    name = "osgp.requests"
    verbose_name = "Requests"

    def ready(self) -> None:
        from osgp.requests.completion_events import create_lost

        post_migrate.connect(create_lost, sender=self)
