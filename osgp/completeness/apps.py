from django.apps import AppConfig


class CompletenessConfig(AppConfig):
    default = True
    name = "osgp.completeness"
    verbose_name = "Completeness of readings"

    def ready(self) -> None:
        from osgp.completeness import duties, metrics
        from osgp.metrics import page

        duties.register()
        page.register(metrics.collect)
