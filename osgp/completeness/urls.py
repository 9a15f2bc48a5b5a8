"""Routes below /api/v1/."""

from django.urls import path

from osgp.completeness.accepting_api import AcceptView
from osgp.completeness.api import FetchView, MissingView
from osgp.completeness.report_api import CompletenessView

urlpatterns = [
    path("readings/completeness/", CompletenessView.as_view(), name="readings-completeness"),
    path("readings/missing/", MissingView.as_view(), name="readings-missing"),
    path("readings/missing/fetch/", FetchView.as_view(), name="readings-missing-fetch"),
    path("readings/missing/accept/", AcceptView.as_view(), name="readings-missing-accept"),
]
