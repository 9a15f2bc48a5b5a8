from osgp.requests.apps import MessageAppConfig


class ManagementConfig(MessageAppConfig):
    default = True
    name = "osgp.management"
    verbose_name = "Management"
