"""Names that stay from release to release, wherever the code behind them moves."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from osgp.celery import app
from osgp.metrics import families
from osgp.metrics.exposition import Family
from osgp.processes import wakeup
from tests.processes import ROOT
from tests.upgrade import names


def queue_of(task: str) -> str:
    """Where Celery sends a task."""
    return str(app.amqp.router.route({}, task)["queue"].name)


def test_tasks_keep_their_names_queues_and_arguments() -> None:
    """Messages of a former release are in the queues while workers of the next one start."""
    app.loader.import_default_modules()
    assert names.TASKS.keys() - app.tasks.keys() == set()
    for name, (queue, positional, named) in names.TASKS.items():
        assert queue_of(name) == queue
        inspect.signature(app.tasks[name].run).bind(*positional, **named, of_another_release=True)


def test_queues_and_channels_keep_their_names() -> None:
    assert names.QUEUES - {queue.name for queue in settings.CELERY_TASK_QUEUES} == set()
    assert wakeup.CHANNEL == names.NOTIFICATIONS


def test_commands_keep_their_names() -> None:
    ours = {name for name, place in get_commands().items() if place.startswith("osgp.")}
    assert names.COMMANDS - ours == set()


def test_settings_keep_their_names() -> None:
    assert names.SETTINGS - settings.OSGP.keys() == set()


def test_environment_variables_keep_their_names() -> None:
    paths = [path for folder in ("osgp", "deploy") for path in (ROOT / folder).rglob("*.py")]
    source = "".join(path.read_text() for path in paths)
    assert {name for name in names.ENVIRONMENT_VARIABLES if f'"{name}"' not in source} == set()


def test_metrics_keep_their_names() -> None:
    assert (
        names.METRICS - {item.name for item in vars(families).values() if isinstance(item, Family)} == set()
    )


def test_paths_stay() -> None:
    paths = set(_paths(get_resolver().url_patterns))
    messages = {f"api/v1/{message}/" for message in names.MESSAGES}
    answers = {f"{path}<str:correlation_uid>/" for path in messages}
    assert (messages | answers | names.OTHER_PATHS) - paths == set()


def _paths(patterns: Iterable[Any], prefix: str = "") -> Iterator[str]:
    for item in patterns:
        path = prefix + re.sub(r"^\^|\$$", "", str(item.pattern))
        if isinstance(item, URLResolver):
            yield from _paths(item.url_patterns, path)
        elif isinstance(item, URLPattern):
            yield path


def test_the_admin_keeps_its_pages() -> None:
    assert names.ADMIN_MODELS - {model._meta.label_lower for model in admin.site._registry} == set()
