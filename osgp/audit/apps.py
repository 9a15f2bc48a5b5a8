from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "osgp.audit"
    verbose_name = "Audit"
