from django.apps import AppConfig
from django.core import checks


class DevicesConfig(AppConfig):
    name = "osgp.devices"
    verbose_name = "Devices"

    def ready(self) -> None:
        from osgp.devices.checks import check_keys

        checks.register(check_keys, checks.Tags.security)
