from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "osgp.fleet"
    verbose_name = "Messages to many devices"

    def ready(self) -> None:
        from osgp.fleet import duties, signals

        duties.register()
        signals.connect()
