from django.apps import AppConfig


class CompletenessConfig(AppConfig):
    name = "osgp.completeness"
    verbose_name = "Completeness of readings"
