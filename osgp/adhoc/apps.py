from osgp.requests.apps import MessageAppConfig


class AdhocConfig(MessageAppConfig):
    default = True
    name = "osgp.adhoc"
    verbose_name = "Ad hoc"
