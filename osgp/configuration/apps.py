from osgp.messages.app_config import MessageAppConfig


class ConfigurationConfig(MessageAppConfig):
    default = True
    name = "osgp.configuration"
    verbose_name = "Configuration"
