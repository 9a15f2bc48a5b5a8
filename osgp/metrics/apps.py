from django.apps import AppConfig
from django.core import checks


class MetricsConfig(AppConfig):
    name = "osgp.metrics"
    verbose_name = "Metrics"

    def ready(self) -> None:
        from osgp.metrics import rollup
        from osgp.metrics.access import check_networks
        from osgp.metrics.models import HourlyOutcome
        from osgp.processes import retention
        from osgp.requests import deletion

        checks.register(check_networks, checks.Tags.security)
        deletion.call_before_deletion(rollup.count_before_deletion)
        retention.register(
            retention.make_kind("outcomes of hours", HourlyOutcome, "hour", "ROLLUP_RETENTION")
        )
