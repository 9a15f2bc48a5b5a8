"""Routes below /api/v1/."""

from django.urls import path

from osgp.management.api.get_devices import GetDevicesView

urlpatterns = [path("management/devices/", GetDevicesView.as_view(), name="devices")]
