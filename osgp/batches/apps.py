from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "osgp.batches"
    verbose_name = "Batches"

    def ready(self) -> None:
        from osgp.batches import duties, signals

        duties.register()
        signals.connect()
