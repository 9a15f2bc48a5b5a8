from django.apps import AppConfig


class CommandsConfig(AppConfig):
    name = "osgp.commands"
    verbose_name = "Commands of manage.py"
