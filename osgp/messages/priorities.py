"""How urgent requests are: 0 to 9, higher goes first."""

from django.core.validators import MaxValueValidator, MinValueValidator

LOWEST_PRIORITY, HIGHEST_PRIORITY = 0, 9
DEFAULT_PRIORITY = 4
PRIORITY_VALIDATORS = [MinValueValidator(LOWEST_PRIORITY), MaxValueValidator(HIGHEST_PRIORITY)]
