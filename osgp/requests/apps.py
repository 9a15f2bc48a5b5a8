from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "osgp.requests"
    verbose_name = "Requests"
