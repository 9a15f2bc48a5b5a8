from osgp.requests.apps import MessageAppConfig


class ConfigurationConfig(MessageAppConfig):
    default = True
    name = "osgp.configuration"
    verbose_name = "Configuration"
