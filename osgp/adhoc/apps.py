from osgp.requests.apps import MessageAppConfig


class AdhocConfig(MessageAppConfig):
    name = "osgp.adhoc"
    verbose_name = "Ad hoc"
