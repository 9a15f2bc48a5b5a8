from django.apps import AppConfig
from django.core import checks


class DevicesConfig(AppConfig):
    name = "osgp.devices"
    verbose_name = "Devices"

    def ready(self) -> None:
        from osgp.devices.checks import check_keys, check_networks
        from osgp.devices.knowledge_retention import FORGOTTEN_KNOWLEDGE
        from osgp.devices.meter_networks import may_dial
        from osgp.processes import retention
        from osgp.protocol_dlms.transport import destinations

        retention.register(FORGOTTEN_KNOWLEDGE)
        checks.register(check_keys, checks.Tags.security)
        checks.register(check_networks, checks.Tags.security)
        destinations.use(may_dial)
