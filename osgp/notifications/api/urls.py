"""Routes below /api/v1/."""

from django.urls import path

from osgp.notifications.api import delivery_views, secret_views, views

_ENDPOINT = "notifications/endpoints/<str:uid>/"

urlpatterns = [
    path("notifications/endpoints/", views.EndpointListView.as_view(), name="webhook-endpoints"),
    path(_ENDPOINT, views.EndpointView.as_view(), name="webhook-endpoint"),
    path(f"{_ENDPOINT}test/", views.TestView.as_view()),
    path(f"{_ENDPOINT}pause/", views.PauseView.as_view()),
    path(f"{_ENDPOINT}resume/", views.ResumeView.as_view()),
    path(f"{_ENDPOINT}rotate-secret/", secret_views.RotateSecretView.as_view()),
    path(f"{_ENDPOINT}deliveries/", delivery_views.DeliveryListView.as_view()),
    path(f"{_ENDPOINT}deliveries/<int:delivery_id>/replay/", delivery_views.ReplayOneView.as_view()),
    path(f"{_ENDPOINT}replay/", delivery_views.ReplayView.as_view()),
    path("notifications/response-url-secret/", secret_views.ResponseUrlSecretView.as_view()),
]
