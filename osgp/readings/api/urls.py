"""Routes below /api/v1/."""

from django.urls import path

from osgp.readings.api import readings

urlpatterns = [
    path("readings/", readings.ReadingsView.as_view(), name="readings"),
]
