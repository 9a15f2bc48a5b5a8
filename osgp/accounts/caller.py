"""Who is calling: an application of an organisation. API views see it as ``request.user``."""

from dataclasses import dataclass

from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation


@dataclass(frozen=True)
class Caller:
    """An authenticated application; ``scopes`` are values of :class:`osgp.accounts.functions.Scope`."""

    organisation: Organisation
    application: str
    scopes: frozenset[str]

    @property
    def is_authenticated(self) -> bool:
        """Always true: there is no anonymous caller."""
        return True

    def has_scope(self, scope: Scope | str) -> bool:
        """Return whether the token allows it; what the organisation was granted is checked elsewhere."""
        return str(scope) in self.scopes

    def __str__(self) -> str:
        return f"{self.organisation.identification}/{self.application}"
