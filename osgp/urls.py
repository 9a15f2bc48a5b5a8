"""URLs of the platform."""

from django.contrib import admin
from django.urls import include, path

from osgp.metrics.views import metrics
from osgp.requests.api.health import healthz, readyz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("osgp.batches.api.urls")),
    path("api/v1/", include("osgp.readings.api.urls")),
    path("api/v1/", include("osgp.management.api.urls")),
    path("api/v1/", include("osgp.requests.api.urls")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler400 = "osgp.requests.api.problems.bad_request"
handler404 = "osgp.requests.api.problems.not_found"
handler500 = "osgp.requests.api.problems.server_error"
