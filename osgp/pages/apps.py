from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "osgp.pages"
    verbose_name = "Operators' pages"
