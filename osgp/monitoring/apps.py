from osgp.messages.app_config import MessageAppConfig


class MonitoringConfig(MessageAppConfig):
    default = True
    name = "osgp.monitoring"
    verbose_name = "Monitoring"
