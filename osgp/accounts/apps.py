from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "osgp.accounts"
    verbose_name = "Organisations and tokens"
