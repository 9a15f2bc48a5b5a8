from django.apps import AppConfig


class FirmwareConfig(AppConfig):
    name = "osgp.firmware"
    verbose_name = "Firmware"
