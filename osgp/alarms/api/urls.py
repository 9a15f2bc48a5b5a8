"""Routes below /api/v1/."""

from django.urls import path

from osgp.alarms.api.alarms import AcknowledgeView, AlarmsView, AlarmView

urlpatterns = [
    path("alarms/", AlarmsView.as_view(), name="alarms"),
    path("alarms/acknowledge/", AcknowledgeView.as_view(), name="alarms-acknowledge"),
    path("alarms/<str:uid>/", AlarmView.as_view(), name="alarm"),
]
