"""Batch and threshold arithmetic: integers only, no division that rounds (S1, S2, S6).

Every function takes integers or terms of any algebra (see `rollproof.algebra`).
Percentages are whole numbers from 0 to 100; counts are instances.
"""

from __future__ import annotations

from typing import Any

from rollproof.algebra import ite


def exceeds(part: Any, whole: Any, percent: Any) -> Any:
    """Whether ``part`` of ``whole`` is more than ``percent``: the share itself may be
    reached, not passed (R4.1, R4.4, S2)."""
    return part * 100 > whole * percent


def share(whole: Any, percent: Any) -> Any:
    """The largest number of instances that does not exceed ``percent`` of ``whole``:
    ``floor(percent * whole / 100)``."""
    return whole * percent // 100


def batch_bound(whole: Any, percent: Any) -> Any:
    """The most instances one batch may hold: ``max(1, share)`` (R4.2, S1)."""
    bound = share(whole, percent)
    return ite(bound >= 1, bound, 1)


def spare(whole: Any, unhealthy: Any, percent: Any) -> Any:
    """How many healthy instances may be taken down before the unhealthy ones would
    exceed ``percent`` of the set (S6); not positive when none may.

    A batch still holds one instance then (R4.2, S6).
    """
    return share(whole, percent) - unhealthy
