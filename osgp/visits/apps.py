from django.apps import AppConfig


class VisitsConfig(AppConfig):
    name = "osgp.visits"
    verbose_name = "Visits to meters"

    def ready(self) -> None:
        from osgp.visits import duties

        duties.register()
