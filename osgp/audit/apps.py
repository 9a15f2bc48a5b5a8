from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "osgp.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from django.core import checks

        from osgp.audit import duties, housekeeping, logins
        from osgp.audit.checks import check_settings

        logins.watch()
        duties.register()
        housekeeping.register()
        checks.register(check_settings, checks.Tags.security)
