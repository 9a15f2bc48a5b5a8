from django.apps import AppConfig


class CompletenessConfig(AppConfig):
    name = "osgp.completeness"
    verbose_name = "Completeness of readings"

    def ready(self) -> None:
        from osgp.completeness import keeping, unread
        from osgp.readings import retention
        from osgp.visits import history

        retention.forget_with_readings(keeping.list_past_accepted)
        retention.forget_with_readings(keeping.list_past_answered)
        history.register(unread.find_unread)
