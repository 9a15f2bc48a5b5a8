from django.apps import AppConfig


class CompletenessConfig(AppConfig):
    default = True
    name = "osgp.completeness"
    verbose_name = "Completeness of readings"

    def ready(self) -> None:
        from osgp.completeness import duties

        duties.register()
