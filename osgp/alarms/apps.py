from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "osgp.alarms"
    verbose_name = "Alarms"

    def ready(self) -> None:
        from osgp.alarms import duties, housekeeping

        duties.register()
        housekeeping.register()
