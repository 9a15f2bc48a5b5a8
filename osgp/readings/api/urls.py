"""Routes below /api/v1/."""

from django.urls import path

from osgp.readings.api.readings import ReadingsView

urlpatterns = [path("readings/", ReadingsView.as_view(), name="readings")]
