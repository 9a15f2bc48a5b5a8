"""Routes below /api/v1/."""

from django.urls import path

from osgp.fleet.api import views

urlpatterns = [
    path("requests/batch/", views.BatchListView.as_view(), name="batches"),
    path("requests/batch/<str:uid>/", views.BatchView.as_view(), name="batch"),
    path("requests/batch/<str:uid>/skipped/", views.SkippedView.as_view()),
    path("requests/batch/<str:uid>/cancel/", views.CancelBatchView.as_view()),
    path("requests/batch/<str:uid>/retry-failed/", views.RetryFailedView.as_view()),
]
