from django.apps import AppConfig
from django.core import checks


class DevicesConfig(AppConfig):
    name = "osgp.devices"
    verbose_name = "Devices"

    def ready(self) -> None:
        from osgp.devices.checks import check_keys
        from osgp.devices.knowledge_retention import FORGOTTEN_KNOWLEDGE
        from osgp.processes import retention

        retention.register(FORGOTTEN_KNOWLEDGE)
        checks.register(check_keys, checks.Tags.security)
