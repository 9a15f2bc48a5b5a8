from osgp.requests.apps import MessageAppConfig


class BundleConfig(MessageAppConfig):
    name = "osgp.bundle"
    verbose_name = "Bundle"
