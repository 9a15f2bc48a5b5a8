from osgp.requests.apps import MessageAppConfig


class BundleConfig(MessageAppConfig):
    default = True
    name = "osgp.bundle"
    verbose_name = "Bundle"
