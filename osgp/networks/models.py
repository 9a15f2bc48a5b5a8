"""Communication networks and their cells, and the limits of their traffic.

A permit is nothing but the row of a live meter session (osgp/requests/permits.py counts them), so none can
leak. Changed limits hold from the dispatcher's next round on.
"""

from django.db import models

UNLIMITED = "Empty: no limit. 0: no meter is dialled."


class CommunicationNetwork(models.Model):
    """A network through which meters are reached, e.g. the CDMA network of a provider."""

    name = models.CharField(max_length=40, unique=True)
    communication_method = models.CharField(
        max_length=10,
        blank=True,
        help_text="Devices added with this communication method belong to the network from the start.",
    )
    max_open_sessions = models.PositiveIntegerField(
        "max. visits", null=True, blank=True, help_text=f"Meters visited at a time. {UNLIMITED}"
    )
    max_new_sessions_per_second = models.PositiveIntegerField(
        "max. new visits per second",
        null=True,
        blank=True,
        help_text=f"Visits begun in any second. {UNLIMITED}",
    )
    max_open_sessions_per_cell = models.PositiveIntegerField(
        "max. visits per cell",
        null=True,
        blank=True,
        help_text=f"For cells without a limit of their own. {UNLIMITED}",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["communication_method"],
                condition=~models.Q(communication_method=""),
                name="one_network_per_communication_method",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def find_by_method(cls, communication_method: str) -> "CommunicationNetwork | None":
        """Return the network to which new devices of a communication method belong, if there is one."""
        if not communication_method:
            return None
        return cls.objects.filter(communication_method=communication_method).first()


class Cell(models.Model):
    """A cell of a base transceiver station: the part of a network that is overloaded first."""

    network = models.ForeignKey(CommunicationNetwork, on_delete=models.CASCADE, related_name="cells")
    base_station = models.CharField(max_length=40, help_text="BTS id.")
    cell = models.CharField(max_length=40, help_text="Cell id.")
    max_open_sessions = models.PositiveIntegerField(
        "max. visits",
        null=True,
        blank=True,
        help_text="Meters visited at a time. Empty: the limit that the network has for its cells.",
    )

    class Meta:
        ordering = ["network", "base_station", "cell"]
        constraints = [
            models.UniqueConstraint(fields=["network", "base_station", "cell"], name="one_row_per_cell")
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.base_station}/{self.cell}"
