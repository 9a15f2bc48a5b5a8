from osgp.requests.apps import MessageAppConfig


class ConfigurationConfig(MessageAppConfig):
    name = "osgp.configuration"
    verbose_name = "Configuration"
