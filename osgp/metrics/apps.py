from django.apps import AppConfig
from django.core import checks


class MetricsConfig(AppConfig):
    name = "osgp.metrics"
    verbose_name = "Metrics"

    def ready(self) -> None:
        from osgp.metrics.access import check_networks

        checks.register(check_networks, checks.Tags.security)
