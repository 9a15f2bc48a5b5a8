from django.apps import AppConfig


class DeviceGroupsConfig(AppConfig):
    name = "osgp.device_groups"
    verbose_name = "Device groups"
