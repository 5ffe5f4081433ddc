"""The table written out for other checkers: PROMELA for SPIN, TLA+ for TLC."""

from rollproof_checks.export.promela import promela
from rollproof_checks.export.tla import configuration, tla

__all__ = ["configuration", "promela", "tla"]
