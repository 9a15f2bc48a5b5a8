from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "osgp.batches"
    verbose_name = "Batches"
