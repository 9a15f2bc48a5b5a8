from django.apps import AppConfig


class NetworksConfig(AppConfig):
    name = "osgp.networks"
    verbose_name = "Networks"
