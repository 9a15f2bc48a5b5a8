"""URLs of the platform."""

from django.contrib import admin
from django.urls import include, path

from osgp.alarms.api import urls as alarms
from osgp.completeness import urls as completeness
from osgp.fleet.api import urls as fleet
from osgp.management.api import urls as management
from osgp.metrics.views import show_metrics
from osgp.notifications.api import urls as notifications
from osgp.readings.api import urls as readings
from osgp.requests.api import problems
from osgp.requests.api import urls as requests
from osgp.requests.api.health import healthz, readyz
from osgp.stream import api as stream

urlpatterns = [
    path("admin/", admin.site.urls),
    *(
        path("api/v1/", include(urls))
        for urls in (fleet, completeness, alarms, readings, notifications, management, requests, stream)
    ),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", show_metrics),
]

handler400 = problems.bad_request
handler404 = problems.not_found
handler500 = problems.server_error
