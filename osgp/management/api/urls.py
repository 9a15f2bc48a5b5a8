"""Routes below /api/v1/."""

from django.urls import path

from osgp.management.api.application_keys import ApplicationKeyView
from osgp.management.api.audit import AuditView
from osgp.management.api.device import DeviceView
from osgp.management.api.get_devices import GetDevicesView
from osgp.management.api.message_logs import MessageLogsView
from osgp.management.api.system_notes import SystemNotesView

urlpatterns = [
    # "path": people who send requests in the admin are applications called admin/USERNAME.
    path("applications/<path:name>/public-key/", ApplicationKeyView.as_view(), name="application-key"),
    path("audit/", AuditView.as_view(), name="audit"),
    path("devices/<str:identification>/", DeviceView.as_view(), name="device"),
    path("management/devices/", GetDevicesView.as_view(), name="devices"),
    path("management/message-logs/", MessageLogsView.as_view(), name="message-logs"),
    path("system-notes/", SystemNotesView.as_view(), name="system-notes"),
]
