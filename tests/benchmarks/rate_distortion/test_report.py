"""Errors, losses, variants and the plot: everything between the plans and the final metrics."""

import json
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from rate_distortion.collect import variants_of_drive
from rate_distortion.errors import ade_m, error_tables, interval, loss
from rate_distortion.evaluate import DrivePlans
from rate_distortion.plot import draw
from rate_distortion.report import BLIND, Results, driving_results, driving_table, final_metrics, panels
from rate_distortion.variants import DENSE, RATES, all_variants, network_plans

VARIANTS = all_variants()


def drives(count: int = 4) -> list[DrivePlans]:
    """Plans with errors that fall with the bytes; at equal bytes our policy has half the error of the others."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(count):
        expert = rng.normal(0, 5, (6, 16, 4)).astype(np.float32)
        offset = np.array([1000 / v.budget.input_bytes**0.6 * (1 if v.policy == "adaptive" else 2) for v in VARIANTS])
        plans = expert[None] + offset[:, None, None, None] * [1, 0, 0, 0]
        made.append(DrivePlans(f"S{index % 2 + 1}", index, plans.astype(np.float32), expert, np.full(6, 8.0)))
    return made


def test_displacement_is_averaged_over_the_waypoints_up_to_the_horizon() -> None:
    plan = np.zeros((16, 4))
    plan[:, 1] = np.arange(16)
    assert ade_m(plan, np.zeros((16, 4)), 1) == pytest.approx(np.mean([0, 1, 2, 3]))
    assert ade_m(plan, np.zeros((16, 4)), 3) == pytest.approx(np.mean(np.arange(12)))


def test_a_loss_is_paired_by_drive() -> None:
    reference = np.array([1.0, 10.0, 100.0])
    found = loss(1.1 * reference, reference)
    assert found["loss"] == pytest.approx(0.1)
    assert (found["low"], found["high"]) == (pytest.approx(0.1), pytest.approx(0.1))


def test_an_interval_resamples_whole_drives_with_a_fixed_seed() -> None:
    errors = np.random.default_rng(3).normal(5, 1, 96)
    drawn = np.random.default_rng(0).integers(0, 96, (2000, 96))
    expected = np.percentile(errors[drawn].mean(axis=1), [2.5, 97.5])
    assert interval(np.mean, errors) == pytest.approx(tuple(expected))
    assert interval(np.mean, errors[:1]) == (errors[0], errors[0])


def test_the_worst_scenario_is_named() -> None:
    plans = [np.ones((1, 2, 16, 4)) * size for size in (1.0, 5.0)]
    table = error_tables(plans, [np.zeros((2, 16, 4))] * 2, ["S1", "S2"])[1]
    assert table.worst_scenario()[0] == ("S2", pytest.approx(5 * 2**0.5))


def test_variants_have_unique_names_and_all_policies_cost_the_same_at_a_rate() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    for rate in RATES:
        costs = {v.budget.input_bytes for v in VARIANTS if v.name.endswith(rate.name) and v.series != "downscale"}
        assert costs == {rate.input_bytes}
        assert all(v.budget.input_bytes <= rate.input_bytes for v in VARIANTS if v.name == f"downscale/{rate.name}")
    assert DENSE.r_px == pytest.approx(14.6, rel=0.01)
    assert BUDGETS["B100"].patch_count == DENSE.patch_count


def test_every_network_has_a_plan_and_every_variant_is_learned_equally_often() -> None:
    plans = {plan.name: plan for plan in network_plans()}
    assert {variant.network for variant in VARIANTS} == {*plans, "given"}
    assert [plan.name for plan in network_plans(("b100", "dense"))] == ["b100", "dense"]
    drawn = Counter(v.name for index in range(35) for v in variants_of_drive(plans["shared"], index))
    assert set(drawn.values()) <= {2, 3}
    assert len(drawn) == 35
    assert len(variants_of_drive(plans["base160"], 0)) == 1


@pytest.fixture(scope="module")
def results() -> Results:
    return driving_results(VARIANTS, drives())


def test_results_hold_every_variant_and_losses_against_the_dense_network(results: Results) -> None:
    assert results["losses"]["dense"]["ade_3s"]["dense"]["loss"] == 0.0
    assert results["losses"]["B100"]["ade_3s"]["dense"]["loss"] > 0.0
    assert results["losses"][results["most_bytes"]]["ade_3s"]["most_bytes"]["loss"] == 0.0
    assert results["losses"]["adaptive/80x60+58"]["ade_3s"]["most_bytes"]["loss"] > 0.0
    assert results["bd_rates"]["expert"]["fixed"]["rate"] < -0.5
    assert BLIND in results["variants"]
    metrics = final_metrics({"driving": results})
    assert {"ade3_loss_b100", "ade3_loss_b200", "bd_rate_uniform", "r_px_b100", "r_mem_60s"} <= set(metrics)
    assert "hazard_recall" not in metrics
    json.dumps(results, allow_nan=False)


def test_the_table_has_a_row_for_every_variant(results: Results) -> None:
    table = driving_table(results)
    assert all(variant.name in table for variant in VARIANTS)


def test_the_plot_is_a_reproducible_svg_with_readable_text(results: Results) -> None:
    picture = draw(panels(VARIANTS, results), "a caption & $more$")
    texts = {text.text for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}
    assert {variant.series for variant in VARIANTS} | {"a caption & $more$"} <= texts
    assert "nan" not in picture
    assert picture == draw(panels(VARIANTS, results), "a caption & $more$")
