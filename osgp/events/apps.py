from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "osgp.events"
    verbose_name = "Events"
