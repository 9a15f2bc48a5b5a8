from osgp.messages.app_config import MessageAppConfig


class BundleConfig(MessageAppConfig):
    default = True
    name = "osgp.bundle"
    verbose_name = "Bundle"
