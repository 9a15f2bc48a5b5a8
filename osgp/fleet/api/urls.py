"""Routes below /api/v1/."""

from django.urls import path

from osgp.fleet.api import schedule_views, views

urlpatterns = [
    path("requests/batch/", views.BatchListView.as_view(), name="batches"),
    path("requests/batch/<str:uid>/", views.BatchView.as_view(), name="batch"),
    path("requests/batch/<str:uid>/skipped/", views.SkippedView.as_view()),
    path("requests/batch/<str:uid>/cancel/", views.CancelBatchView.as_view()),
    path("requests/batch/<str:uid>/retry-failed/", views.RetryFailedView.as_view()),
    path("schedules/", schedule_views.ScheduleListView.as_view(), name="schedules"),
    path("schedules/preview/", schedule_views.PreviewView.as_view()),
    path("schedules/<str:schedule_id>/", schedule_views.ScheduleView.as_view(), name="schedule"),
    path("schedules/<str:schedule_id>/pause/", schedule_views.PauseView.as_view()),
    path("schedules/<str:schedule_id>/resume/", schedule_views.ResumeView.as_view()),
    path(
        "schedules/<str:schedule_id>/occurrences/",
        schedule_views.OccurrencesView.as_view(),
        name="schedule_occurrences",
    ),
]
