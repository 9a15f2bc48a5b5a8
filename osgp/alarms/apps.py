from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "osgp.alarms"
    verbose_name = "Alarms"
