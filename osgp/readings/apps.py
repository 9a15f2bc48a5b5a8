from django.apps import AppConfig


class ReadingsConfig(AppConfig):
    default = True
    name = "osgp.readings"
    verbose_name = "Readings"

    def ready(self) -> None:
        from osgp.readings import duties

        duties.register()
