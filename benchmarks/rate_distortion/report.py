"""Measurements to results, tables and curves. Runs nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fsd.compression.budget import REFERENCE_PIXELS
from fsd.networks.contract import WAYPOINT_TIMES_S, WAYPOINTS
from rate_distortion.bjontegaard import BdRate, bd_rate
from rate_distortion.errors import ErrorTable, error_tables, interval, loss, summarise
from rate_distortion.evaluate import DrivePlans
from rate_distortion.plot import Curve, Panel
from rate_distortion.variants import RATES, Variant

MAIN_HORIZON_S = 3
OURS, REFERENCE, FIXED = "adaptive", "dense", "fixed"
LOSSES_SHOWN = ("B100", "B200", "packaged", *(f"{OURS}/{rate.name}" for rate in RATES), "F50", "F100", "F200")
BLIND = "constant velocity"
"""A plan that keeps the present speed and heading: the error without any pictures."""

CLOSE_UP = 1.5
"""Series whose errors all stay below this multiple of the lowest error appear in the close-up panel."""

BOOTSTRAP_CURVES = 400
"""Resamples for the interval of a BD-rate; fewer than for an error, because each one fits two curves."""

Results = dict[str, Any]


def driving_results(variants: Sequence[Variant], drives: Sequence[DrivePlans]) -> Results:
    """Errors of all variants against the expert and the dense network, losses and BD-rates."""
    names = [variant.name for variant in variants]
    plans = [np.concatenate([drive.plans, _straight_on(drive)[None]]) for drive in drives]
    scenarios = [drive.scenario for drive in drives]
    dense = names.index(REFERENCE)
    truths = {"expert": [drive.expert for drive in drives], "dense": [drive.plans[dense] for drive in drives]}
    tables = {truth: error_tables(plans, rows, scenarios) for truth, rows in truths.items()}
    rows: dict[str, Results] = {
        name: {truth: summarise(tables[truth], index) for truth in tables} for index, name in enumerate([*names, BLIND])
    }
    for variant in variants:
        rows[variant.name] |= {
            "bytes": variant.budget.input_bytes,
            "pixels": variant.budget.pixels,
            "r_px": variant.budget.r_px,
            "series": variant.series,
            "network": variant.network,
        }
    main = tables["expert"][MAIN_HORIZON_S]
    return {
        "drives": len(drives),
        "ticks": int(sum(len(drive.expert) for drive in drives)),
        "scenarios": sorted(set(scenarios)),
        "variants": rows,
        "most_bytes": names[series_of(variants)[OURS][-1]],
        "losses": _losses(variants, tables["expert"]),
        "bd_rates": {truth: _bd_rates(variants, tables[truth][MAIN_HORIZON_S]) for truth in tables},
        "lowest_error": names[int(main.mean[: len(names)].argmin())],
    }


def _straight_on(drive: DrivePlans) -> np.ndarray:
    """(R, 16, 4) plans that keep the present speed and heading."""
    plan = np.zeros((len(drive.speed_mps), WAYPOINTS, 4), np.float32)
    plan[..., 0] = drive.speed_mps[:, None] * WAYPOINT_TIMES_S
    plan[..., 3] = drive.speed_mps[:, None]
    return plan


def _losses(variants: Sequence[Variant], tables: Mapping[int, ErrorTable]) -> dict[str, Results]:
    """Loss of every variant at every horizon, against up to five references.

    `dense`: the dense network. `most_bytes`: our curve's point with the most patches, which differs from the others
    only in bytes. `best`: the variant with the lowest error, chosen afterwards, so chance favours it;
    `best_of_network`: of those with the same weights. `fixed`: fixed foveation of the same network with the same
    budget, where that was evaluated.
    """
    dense = [variant.name for variant in variants].index(REFERENCE)
    most_bytes = series_of(variants)[OURS][-1]
    fixed = {(other.network, other.budget): index for index, other in enumerate(variants) if other.policy == FIXED}
    found: dict[str, Results] = {}
    for horizon_s, table in tables.items():
        by_drive = table.by_drive[: len(variants)]
        mean = by_drive.mean(axis=1)
        falling = np.argsort(-mean, kind="stable").tolist()
        best_of = {variants[index].network: index for index in falling}  # the last of each network is its best
        for index, variant in enumerate(variants):
            references = {
                "dense": dense,
                "most_bytes": most_bytes,
                "best": int(mean.argmin()),
                "best_of_network": best_of[variant.network],
            }
            if (same := fixed.get((variant.network, variant.budget))) is not None:
                references["fixed"] = same
            losses = {each: loss(by_drive[index], by_drive[each]) for each in set(references.values())}
            found.setdefault(variant.name, {})[f"ade_{horizon_s}s"] = {
                against: losses[reference] for against, reference in references.items()
            }
    return found


def _bd_rates(variants: Sequence[Variant], table: ErrorTable) -> dict[str, Results]:
    """Bytes of our curve against every other curve, at equal error."""
    curves = series_of(variants)
    by_drive = table.by_drive
    every_drive = np.arange(by_drive.shape[1])
    found = {}
    for name, members in curves.items():
        if name == OURS or len(members) < 2:
            continue

        def rate_of(picked: np.ndarray, members: list[int] = members) -> BdRate:
            mean = by_drive[:, picked].mean(axis=1)
            sides = (side for places in (curves[OURS], members) for side in (_bytes(variants, places), mean[places]))
            return bd_rate(*sides)

        whole = rate_of(every_drive)
        low, high = interval(
            lambda picked, rate_of=rate_of: rate_of(picked).rate,
            every_drive,
            resamples=BOOTSTRAP_CURVES,
            is_vectorized=False,
        )
        found[name] = {"rate": whole.rate, "kind": whole.kind, "shared_range": whole.shared, "low": low, "high": high}
    return found


def _bytes(variants: Sequence[Variant], places: Sequence[int]) -> np.ndarray:
    return np.array([variants[place].budget.input_bytes for place in places])


def series_of(variants: Sequence[Variant]) -> dict[str, list[int]]:
    """Name of every series -> indices of its variants, by rising bytes."""
    found: dict[str, list[int]] = {}
    for index, variant in enumerate(variants):
        found.setdefault(variant.series, []).append(index)
    return {name: sorted(members, key=lambda i: variants[i].budget.input_bytes) for name, members in found.items()}


def panels(variants: Sequence[Variant], results: Results) -> list[Panel]:
    """The curves against both truths, and between them a close-up of those with low errors, without intervals.

    The constant-velocity plan is only in the table: it would stretch the axes.
    """
    label = f"ADE over {MAIN_HORIZON_S} s, m"
    expert, dense = (_curves(variants, results, truth) for truth in ("expert", "dense"))
    close = CLOSE_UP * min(min(curve.errors) for curve in expert)
    bare = [replace(curve, low=curve.errors, high=curve.errors) for curve in expert if max(curve.errors) < close]
    return [
        Panel("Error against the expert", f"{label}; bars: 95% over drives", tuple(expert)),
        Panel("The same, close-up", f"{label}; intervals as on the left", tuple(bare)),
        Panel(
            "Distance from the dense network's plan",
            f"{label}; bars: 95% over drives",
            tuple(curve for curve in dense if curve.name != REFERENCE),
        ),
    ]


def _curves(variants: Sequence[Variant], results: Results, truth: str) -> list[Curve]:
    curves = []
    for name, members in series_of(variants).items():
        found = [results["variants"][variants[i].name][truth][f"ade_{MAIN_HORIZON_S}s_m"] for i in members]
        curves.append(
            Curve(
                name,
                tuple(float(variants[i].budget.input_bytes) for i in members),
                tuple(row["mean"] for row in found),
                tuple(row["low"] for row in found),
                tuple(row["high"] for row in found),
                is_level=name == REFERENCE,
                is_main=name == OURS,
            )
        )
    return curves


def driving_table(results: Results) -> str:
    """One row per variant, by series and bytes."""
    lines = [
        f"{'variant':<28}{'kB/tick':>8}{'R_px':>7}{'ADE 1s':>8}{'2s':>7}{'3s':>7} {'95% of 3s':>15}{'P95':>7}"
        f"{'worst scenario':>16}{'vs dense':>10}{'loss 3s':>9}"
    ]
    rows = results["variants"]
    for name, row in sorted(rows.items(), key=lambda item: (item[1].get("series", "~"), item[1].get("bytes", 0))):
        main = row["expert"]["ade_3s_m"]
        lost = results["losses"].get(name, {}).get("ade_3s", {}).get("dense", {}).get("loss", math.nan)
        size = f"{row['bytes'] / 1000:8.1f}{row['r_px']:7.1f}" if "bytes" in row else " " * 15
        lines.append(
            f"{name:<28}{size}{row['expert']['ade_1s_m']['mean']:8.3f}{row['expert']['ade_2s_m']['mean']:7.3f}"
            f"{main['mean']:7.3f} {main['low']:7.3f}-{main['high']:<7.3f}{main['p95']:7.2f}"
            f"{main['worst_scenario']:>9} {main['worst_scenario_mean']:6.2f}{row['dense']['ade_3s_m']['mean']:10.3f}"
            + ("-".rjust(9) if math.isnan(lost) else f"{lost:9.1%}")
        )
    lines += ["", *_loss_lines(results), ""]
    for truth, rates in results["bd_rates"].items():
        for name, rate in rates.items():
            bound = {"overlap": "", "at_most": "at most ", "at_least": "at least "}[rate["kind"]]
            lines.append(
                f"BD-rate of {OURS} against {name} ({truth}): {bound}{rate['rate']:+.1%} "
                f"[{rate['low']:+.1%}, {rate['high']:+.1%}], shared range of errors {rate['shared_range']:.0%}"
            )
    return "\n".join(lines)


def _loss_lines(results: Results) -> list[str]:
    """Loss against each reference, with its paired interval over drives."""
    titles = {
        "dense": "against dense",
        "most_bytes": f"against {results['most_bytes']}",
        "best": f"against the best ({results['lowest_error']})",
    }
    lines = ["loss of ADE@3s".ljust(20) + "".join(title.rjust(34) for title in titles.values())]
    for name in (name for name in LOSSES_SHOWN if name in results["losses"]):
        cells = []
        for reference in titles:
            row = results["losses"][name]["ade_3s"][reference]
            cells.append(f"{row['loss']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}]".rjust(34))
        lines.append(name.ljust(20) + "".join(cells))
    return lines


def hazard_table(results: Results) -> str:
    """One row per policy."""
    lines = [f"{'policy':<18}{'recall':>8}{'same tick':>11}{'p50':>6}{'p99':>6}{'worst':>7}{'never':>7}{'events':>8}"]
    for name, row in results["policies"].items():
        latency = row["latency_ticks"]["all"]
        cells = "".join(
            f"{latency[key]:{width}.0f}" if latency[key] is not None else "never".rjust(width)
            for key, width in (("p50", 6), ("p99", 6), ("worst", 7))
        )
        lines.append(
            f"{name:<18}{row['recall']:8.3f}{row['recall_same_tick']:11.3f}{cells}{latency['never']:7d}{latency['events']:8d}"
        )
    return "\n".join(lines)


def recordings_table(results: Mapping[str, Results]) -> str:
    """One row per clip and variant."""
    lines = []
    for clip, found in results.items():
        lines.append(
            f"{clip}: {found['ticks']} ticks, {found['cameras']} cameras, {found['novel_blocks']} novel blocks"
        )
        lines.append(f"  {'variant':<24}{'kB/tick':>8}{'PSNR dB':>9}{'novel in 9 ticks':>17}{'same tick':>11}")
        for name, row in found["variants"].items():
            lines.append(
                f"  {name:<24}{row['bytes'] / 1000:8.1f}{row['psnr_db']:9.2f}{row['novelty_recall']:17.3f}"
                f"{row['novelty_recall_same_tick']:11.3f}"
            )
    return "\n".join(lines)


def final_metrics(results: Results) -> dict[str, float]:
    """The metrics of the last line, without those that were not measured."""
    from fsd.compression.budget import BUDGETS
    from fsd.outputs.budget_metrics import budget_metrics

    b100 = BUDGETS["B100"]
    found: dict[str, float] = {"r_px_b100": REFERENCE_PIXELS / b100.pixels}
    found["r_mem_60s"] = float(budget_metrics(b100).r_mem_60s)
    driving = results.get("driving")
    if driving:
        for name in ("B100", "B200"):
            found[f"ade3_loss_{name.lower()}"] = driving["losses"][name]["ade_3s"]["dense"]["loss"]
        rates = driving["bd_rates"]["expert"]
        for metric, name in (("bd_rate_uniform", "subsample"), ("bd_rate_fixed_foveation", "fixed")):
            if name in rates:
                found[metric] = rates[name]["rate"]
    if "closed_loop" in results:
        found["score_loss_b100"] = results["closed_loop"]["score_loss"]["b100"]["loss"]
    hazards = results.get("hazards", {}).get("policies", {})
    ours = hazards.get("adaptive+network") or hazards.get("adaptive")
    if ours:
        found["hazard_recall"] = ours["recall"]
        for name in ("p99", "worst"):
            latency = ours["latency_ticks"]["all"][name]
            found[f"hazard_latency_{name}_ticks"] = math.inf if latency is None else latency
    return {name: round(value, 4) for name, value in found.items()}
