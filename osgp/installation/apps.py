from osgp.messages.app_config import MessageAppConfig


class InstallationConfig(MessageAppConfig):
    default = True
    name = "osgp.installation"
    verbose_name = "Installation"
