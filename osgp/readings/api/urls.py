"""Routes below /api/v1/."""

from django.urls import path

from osgp.readings.api import missing, readings

urlpatterns = [
    path("readings/", readings.ReadingsView.as_view(), name="readings"),
    path("readings/missing/", missing.MissingView.as_view(), name="readings-missing"),
    path("readings/missing/fetch/", missing.FetchView.as_view(), name="readings-missing-fetch"),
]
