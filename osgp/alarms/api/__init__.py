"""REST resources of alarms: RetrievePushNotificationAlarm, lists and acknowledging."""
