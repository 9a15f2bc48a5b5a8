from osgp.requests.apps import MessageAppConfig


class InstallationConfig(MessageAppConfig):
    default = True
    name = "osgp.installation"
    verbose_name = "Installation"
