"""What the requirements say about automatic upgrades, and the tests that hold us to it.

A docstring cites a requirement by its id.  Every line below is cited by a test, and by one
that shows its other side: what is refused, or does not happen.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

import pytest

OTHER_SIDE: Mapping[str, tuple[str, ...]] = {
    "R1.5": (
        "test_images::TestR1_5::test_publisher_and_offer_may_not",
        "test_checking::TestSku::test_an_upgrade_keeps_to_the_sku",
    ),
    "R2.1": (
        "test_policy::TestR2_1::test_defaults",
        "test_scheduler::TestUnderWay::test_but_none_that_was_started_by_hand",
        "test_serving::TestGates::test_switched_off_only_people_begin_a_run",
    ),
    "R2.2": (
        "test_eligibility::TestEachRule::test_every_rule_has_a_case_against_it",
        "test_eligibility::TestTogether::test_all_at_once",
        "test_facts::TestOverHttp::test_not",
        "test_checking::TestRuns::test_with_all_reasons",
    ),
    "R2.3": (
        "test_eligibility::TestModel::test_who_runs_an_older_model",
        "test_checking::TestCheck::test_instances_that_do_not_run_the_latest_model",
    ),
    "R2.4": (
        "test_installation::TestDeclaring::test_all_problems_of_a_document_at_once",
        "test_counterparts::TestRefused::test_every_problem_in_the_words_of_the_template",
    ),
    "R3.1": (
        "test_supported::TestR3_1::test_a_bad_table_is_refused_with_every_problem",
        "test_checking::TestCheck::test_a_platform_image_is_looked_for_in_the_table",
    ),
    "R3.2": (
        "test_images::TestR3_2::test_a_reference_has_exactly_one_form",
        "test_published::TestR3_2::test_only_what_is_replicated_there",
        "test_published::TestR3_2::test_not_what_is_excluded_as_a_whole",
        "test_published::TestR3_2::test_not_what_is_excluded_there",
        "test_keeper::TestLookout::test_what_is_withdrawn_is_not_gone_to",
    ),
    "R3.3": (
        "test_catalog::TestR3_3::test_an_image_nobody_lists",
        "test_catalog::TestR3_3::test_nothing_at_a_location",
    ),
    "R3.4": (
        "test_policy::TestR3_4::test_the_shortest_delay_is_not_above_the_longest",
        "test_scheduler::TestStart::test_not_before_its_delay_is_over",
        "test_catalog::TestNews::test_nothing_is_noticed_between_two_looks",
    ),
    "R4.8": (
        "test_charter::TestRollback::test_a_run_by_hand_does_not",
        "test_charter::TestRollback::test_nor_a_model_that_disables_it",
        "test_step::TestFailing::test_by_hand_it_does_not",
        "test_installation::TestRunning::test_the_model_says_what_is_given_back",
    ),
    "R4.9": (
        "test_journal::TestR4_9::test_a_second_run_is_a_conflict_on_any_connection",
        "test_scheduler::TestUnderWay::test_no_second_one",
        "test_cli_errors::TestConflict::test_nothing_runs",
        "test_cli_errors::TestConflict::test_two_starts",
    ),
    "R4.10": (
        "test_eligibility::TestCredentials::test_expired_at_the_moment_itself",
        "test_step::TestCredentials::test_any_other_fault_restores_it",
        "test_step::TestCredentials::test_no_restore_begins_after_it",
        "test_checking::TestTheWayBack::test_from_end_to_end",
    ),
    "R4.11": (
        "test_charter::TestDeferral::test_not_unless_the_model_says_so",
        "test_step_gates::TestApproval::test_nothing_is_touched_before",
        "test_step_gates::TestApproval::test_after_the_default_nothing_is_approved_any_more",
        "test_serving::TestOnce::test_leaves_what_only_waits",
    ),
    "R5.1": ("test_health::TestR5_1::test_without_a_signal",),
    "R5.2": (
        "test_health::TestR5_2::test_interval_is_more_than_0_and_below_2_minutes",
        "test_health::TestR5_2_extension::test_interval_is_5_to_60_seconds",
        "test_health::TestR5_2_extension::test_1_to_24_probes",
        "test_health::TestR5_2_extension::test_grace_period",
        "test_streaks::TestThreshold::test_the_third_in_a_row",
        "test_reports::TestStaleness::test_one_older_than_twice_the_interval_is_unknown",
    ),
    "R5.3": (
        "test_health::TestR5_3::test_healthy_only_when_every_signal_is",
        "test_streaks::TestThreshold::test_initializing_is_no_failure",
        "test_local_health::TestExtension::test_not_before_the_extensions_have_succeeded",
    ),
    "R6.1": (
        "test_batch::TestOneUpdateDomain::test_a_finished_domain_is_passed_over",
        "test_charter::TestPolicy::test_update_domains_matter_to_service_fabric",
        "test_checking::TestServiceFabric::test_each_violated_rule_by_its_name",
    ),
    "R7.1": (
        "test_history::TestFilter::test_the_last_five",
        "test_history::TestFilter::test_of_two_months",
        "test_past::TestHistory::test_filters",
    ),
    "S12": (
        "test_denial::TestS12::test_only_a_threshold_denies",
        "test_scheduler::TestEarlierRuns::test_nor_is_the_one_before_it",
        "test_serving::TestVerbs::test_retry",
    ),
    "N5": (
        "test_explain::TestRows::test_what_holds_back_is_false_on_the_integers",
        "test_phrases::test_every_part_of_every_guard_has_a_phrase",
        "test_past::TestExplain::test_what_the_schedule_holds_back",
    ),
    "N7": (
        "test_denial::TestTakenBack::test_another_run_is_not_meant",
        "test_installation::TestRollingBack::test_of_one_that_is_under_way_is_a_conflict",
    ),
    "N10": (
        "test_step_gates::TestWindow::test_a_batch_is_finished_and_no_other_begun",
        "test_scheduler::TestStart::test_not_outside_a_window",
        "test_scheduler::TestStart::test_not_in_a_freeze",
        "test_pickup::TestSoak::test_holds_back_what_is_young",
    ),
}
"""Lines of the requirements, and tests of what is refused or does not happen."""

ID = re.compile(r"\b[RSN]\d+(?:\.\d+)?\b")


def written_in(module: str, source: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every test of a module, and what it cites: itself or its class, for the docstring of
    a module is a heading."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            heading = cited(node)
            for test in node.body:
                if is_test(test):
                    yield f"{module}::{node.name}::{test.name}", heading | cited(test)
        elif is_test(node):
            yield f"{module}::{node.name}", cited(node)


def is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def cited(node: ast.ClassDef | ast.FunctionDef) -> frozenset[str]:
    return frozenset(ID.findall(ast.get_docstring(node) or ""))


def uncited(
    lines: Mapping[str, tuple[str, ...]], tests: Mapping[str, frozenset[str]]
) -> set[str]:
    """Lines that no test cites."""
    return lines.keys() - frozenset[str]().union(*tests.values())


def unshown(
    lines: Mapping[str, tuple[str, ...]], tests: Mapping[str, frozenset[str]]
) -> set[str]:
    """Lines whose other side is not shown: by no test, by one that is not there any more,
    or by one that does not say that it shows it."""
    return {
        line
        for line, names in lines.items()
        if not names or any(line not in tests.get(name, ()) for name in names)
    }


@pytest.fixture(scope="module")
def beside() -> dict[str, frozenset[str]]:
    """Every test that stands beside this module."""
    return {
        name: cites
        for path in sorted(Path(__file__).parent.glob("test_*.py"))
        for name, cites in written_in(path.stem, path.read_text("utf-8"))
    }


def test_every_line_is_cited(beside: dict[str, frozenset[str]]) -> None:
    assert not uncited(OTHER_SIDE, beside)


def test_every_line_has_its_other_side(beside: dict[str, frozenset[str]]) -> None:
    assert not unshown(OTHER_SIDE, beside)


class TestTwin:
    """What is missing is found."""

    SOURCE = '''
"""R9.9: a heading."""
OTHER = "R9.8"

class TestThis:
    """R9.1, N2."""

    def test_it(self):
        """R9.21: more."""

    def helps(self):
        """R9.3."""

def test_that():
    "S3"  # R9.4

class Stage:
    def test_no_test(self):
        """R9.5."""
'''

    def test_what_a_test_cites(self) -> None:
        """Neither a heading, nor a comment, nor what is no test cites for one."""
        assert dict(written_in("test_x", self.SOURCE)) == {
            "test_x::TestThis::test_it": {"R9.1", "N2", "R9.21"},
            "test_x::test_that": {"S3"},
        }

    @pytest.mark.parametrize(
        "line", ["R9.2", "R9.3", "R9.4", "R9.5", "R9.8", "R9.9", "R9", "N"]
    )
    def test_a_line_nobody_cites(self, line: str) -> None:
        """One whose id begins like another's included."""
        made = dict(written_in("test_x", self.SOURCE))
        assert uncited({line: (), "R9.1": ()}, made) == {line}

    @pytest.mark.parametrize(
        "names",
        [
            (),
            ("test_x::TestThis::test_gone",),
            ("test_x::test_that",),
            ("test_x::TestThis::test_it", "test_x::test_that"),
        ],
        ids=["none", "gone", "of another line", "one of two"],
    )
    def test_a_line_whose_other_side_is_missing(self, names: tuple[str, ...]) -> None:
        made = dict(written_in("test_x", self.SOURCE))
        shown = ("test_x::TestThis::test_it",)
        assert unshown({"R9.1": names, "N2": shown}, made) == {"R9.1"}
