from osgp.messages.app_config import MessageAppConfig


class ManagementConfig(MessageAppConfig):
    default = True
    name = "osgp.management"
    verbose_name = "Management"
