from django.apps import AppConfig


class MessageLogsConfig(AppConfig):
    name = "osgp.message_logs"
    verbose_name = "Message logs"

    def ready(self) -> None:
        from osgp.message_logs import housekeeping

        housekeeping.register()
