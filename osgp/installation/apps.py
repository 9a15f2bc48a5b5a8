from osgp.requests.apps import MessageAppConfig


class InstallationConfig(MessageAppConfig):
    name = "osgp.installation"
    verbose_name = "Installation"
