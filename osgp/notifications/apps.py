from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "osgp.notifications"
    verbose_name = "Notifications"
