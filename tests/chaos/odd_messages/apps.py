"""Registers the odd messages where this app is installed: in the processes of these tests."""

from django.apps import AppConfig


class OddMessagesConfig(AppConfig):
    name = "tests.chaos.odd_messages"

    def ready(self) -> None:
        from osgp.messages.registry import register
        from tests.chaos.odd_messages.operations import ODD_MESSAGES

        for operation_class in ODD_MESSAGES:
            register(operation_class)
