from osgp.requests.apps import MessageAppConfig


class MonitoringConfig(MessageAppConfig):
    default = True
    name = "osgp.monitoring"
    verbose_name = "Monitoring"
