"""Service Fabric: what a cluster asks of the scale set it manages (R6.1)."""

import enum
import re

from attrs import field, frozen

from rollproof.bounds import choice, text
from rollproof.validation import Declared, declare


class Durability(enum.Enum):
    """How much of an instance's fate the cluster may decide, from least to most."""

    BRONZE = "Bronze"
    SILVER = "Silver"
    GOLD = "Gold"


_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")


@frozen(kw_only=True)
class ServiceFabric(Declared):
    """A cluster that manages the set; its update domains are upgraded one at a time."""

    cluster_durability: Durability = field(
        metadata=declare(choice(Durability), "Durability level of the cluster.", "R6.1")
    )
    extension_durability: Durability = field(
        metadata=declare(
            choice(Durability), "Durability level in the extension of the model.", "R6.1"
        )
    )
    extension_handler_version: str = field(
        metadata=declare(
            text(_VERSION.pattern, "two to four whole numbers with dots between", "1.1"),
            "Version of the extension's handler in the model.",
            "R6.1",
        )
    )

    @property
    def handler(self) -> tuple[int, ...]:
        """The numbers of the handler's version: 1.10 comes after 1.9."""
        return tuple(map(int, self.extension_handler_version.split(".")))
