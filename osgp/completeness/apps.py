from django.apps import AppConfig


class CompletenessConfig(AppConfig):
    default = True
    name = "osgp.completeness"
    verbose_name = "Completeness of readings"

    def ready(self) -> None:
        from osgp.batches.models import BatchSource
        from osgp.completeness import duties, fetching, keeping, metrics, unread
        from osgp.fleet import targets
        from osgp.metrics import page
        from osgp.readings import retention
        from osgp.visits import history

        duties.register()
        page.register(metrics.collect)
        retention.forget_with_readings(keeping.list_past_accepted)
        retention.forget_with_readings(keeping.list_past_answered)
        history.register(unread.find_unread)
        targets.register_source(BatchSource.MISSING, fetching.find_next)
