from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "osgp.alarms"
    verbose_name = "Alarms"

    def ready(self) -> None:
        from django.core import checks

        from osgp.alarms import duties, housekeeping, visited
        from osgp.alarms.checks import check_settings

        checks.register(check_settings, checks.Tags.security)
        duties.register()
        housekeeping.register()
        visited.register()
