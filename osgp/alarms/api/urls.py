"""Routes below /api/v1/."""

from django.urls import path

from osgp.alarms.api.alarms import AcknowledgeView, AlarmsView, AlarmView
from osgp.alarms.api.rules import RulesView, RuleView

urlpatterns = [
    path("alarms/", AlarmsView.as_view(), name="alarms"),
    path("alarms/acknowledge/", AcknowledgeView.as_view(), name="alarms-acknowledge"),
    path("alarms/rules/", RulesView.as_view(), name="alarm-rules"),
    path("alarms/rules/<path:name>/", RuleView.as_view(), name="alarm-rule"),
    path("alarms/<str:uid>/", AlarmView.as_view(), name="alarm"),
]
