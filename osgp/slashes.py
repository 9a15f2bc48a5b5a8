"""Addresses that lack their last slash."""

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class SameAgain(HttpResponsePermanentRedirect):
    """308: the same method with the same body, at another address."""

    status_code = 308


class SlashMiddleware(CommonMiddleware):
    """As Django's own, but a POST to such an address is redirected with its method and body.

    After Django's 301 clients would send a GET, which is not allowed there.
    """

    response_redirect_class = SameAgain
