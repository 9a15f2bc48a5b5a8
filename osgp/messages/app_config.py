"""Start-up of the apps whose modules are messages."""

import importlib
import pkgutil

from django.apps import AppConfig


class MessageAppConfig(AppConfig):
    """An app whose modules are messages. It imports all of them at start-up."""

    def ready(self) -> None:
        for module in pkgutil.iter_modules(self.module.__path__):  # type: ignore[union-attr]
            if not module.ispkg:
                importlib.import_module(f"{self.name}.{module.name}")
