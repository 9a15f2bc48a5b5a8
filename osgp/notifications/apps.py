from django.apps import AppConfig
from django.core import checks


class NotificationsConfig(AppConfig):
    name = "osgp.notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from osgp.notifications import duties
        from osgp.notifications.checks import check_settings

        duties.register()
        checks.register(check_settings, checks.Tags.security)
