from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "osgp.events"
    verbose_name = "Events"

    def ready(self) -> None:
        from osgp.events import housekeeping

        housekeeping.register()
