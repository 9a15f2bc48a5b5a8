"""Routes below /api/v1/."""

from django.urls import path

from osgp.completeness.accepting_api import AcceptView
from osgp.completeness.api import FetchView, MissingView

urlpatterns = [
    path("readings/missing/", MissingView.as_view(), name="readings-missing"),
    path("readings/missing/fetch/", FetchView.as_view(), name="readings-missing-fetch"),
    path("readings/missing/accept/", AcceptView.as_view(), name="readings-missing-accept"),
]
