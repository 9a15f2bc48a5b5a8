from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "osgp.devices"
    verbose_name = "Devices"
