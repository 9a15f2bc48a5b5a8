"""Routes below /api/v1/."""

from django.urls import path

from osgp.requests.api.messages import list_message_urls
from osgp.requests.api.public_key import PublicKeyView
from osgp.requests.api.requests import CancelView, RequestListView
from osgp.requests.api.schema import DocumentationView, SchemaView

urlpatterns = [
    *list_message_urls(),
    path("configuration/public-key/", PublicKeyView.as_view()),
    path("requests/", RequestListView.as_view(), name="requests"),
    path("requests/<str:correlation_uid>/cancel/", CancelView.as_view()),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocumentationView.as_view()),
]
