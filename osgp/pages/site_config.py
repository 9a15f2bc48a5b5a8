"""Makes the head-end's own admin site the default one, so that every app registers with it."""

from django.contrib.admin.apps import AdminConfig


class HeadEndAdminConfig(AdminConfig):
    """``django.contrib.admin`` with our site in place of the stock one."""

    default_site = "osgp.pages.site.HeadEndAdminSite"
