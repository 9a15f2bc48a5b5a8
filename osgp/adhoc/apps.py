from osgp.messages.app_config import MessageAppConfig


class AdhocConfig(MessageAppConfig):
    default = True
    name = "osgp.adhoc"
    verbose_name = "Ad hoc"
