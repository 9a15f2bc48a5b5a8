from osgp.requests.apps import MessageAppConfig


class MonitoringConfig(MessageAppConfig):
    name = "osgp.monitoring"
    verbose_name = "Monitoring"
