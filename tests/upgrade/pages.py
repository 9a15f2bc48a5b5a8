"""How each page of the admin is answered: its status for each user, as JSON in the last line.

Like rows.py a program for ``manage.py shell`` of any release.
"""

import json
import sys

from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse


def paths() -> list[str]:
    """Lists of all models, and the pages of a row of each."""
    found = [reverse("admin:index")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        for key in model._default_manager.order_by("pk").values_list("pk", flat=True)[:1]:
            found += [reverse(f"{name}_{page}", args=[key]) for page in ("change", "history")]
    for key in apps.get_model("devices.Device").objects.order_by("pk").values_list("pk", flat=True)[:1]:
        found.append(reverse("admin:readings_device", args=[key]))
        found.append(reverse("admin:message_logs_messagelog_device", args=[key]))
    return found


def statuses() -> dict[str, dict[str, int]]:
    """By user and path."""
    found = {}
    for user in apps.get_model("accounts.User").objects.order_by("pk"):
        client = Client()
        client.force_login(user)
        found[user.username] = {path: client.get(path).status_code for path in paths()}
    return found


sys.stdout.write(json.dumps(statuses()))
