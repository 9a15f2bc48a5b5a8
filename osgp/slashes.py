"""Addresses that lack their last slash."""

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class SameAgain(HttpResponsePermanentRedirect):
    """308: the same method with the same body, at another address."""

    status_code = 308


class SlashMiddleware(CommonMiddleware):
    """Django's own, but what was posted to such an address goes on to the right one as it is.

    With Django's 301 clients would go on with a GET, and be told that it is not allowed.
    """

    response_redirect_class = SameAgain
