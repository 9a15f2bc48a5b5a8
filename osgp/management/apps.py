from osgp.requests.apps import MessageAppConfig


class ManagementConfig(MessageAppConfig):
    name = "osgp.management"
    verbose_name = "Management"
