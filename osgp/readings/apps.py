from django.apps import AppConfig


class ReadingsConfig(AppConfig):
    default = True
    name = "osgp.readings"
    verbose_name = "Readings"
