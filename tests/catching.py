"""How a machine looks for what is broken on purpose: always the same way, to the first."""

from hypothesis import Phase, settings


def catching(base: settings, max_examples: int) -> settings:
    """That it is caught matters, not how briefly: nothing is shrunk, and nothing kept."""
    return settings(
        base,
        max_examples=max_examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
