"""The figures of a run as text."""

from __future__ import annotations

from pathlib import Path

from watchword.evaluate.metrics import AlarmRate, GroupFigures
from watchword.train.metrics import Metrics, OperatingFigures, PresetFigures


def summary(metrics: Metrics, folder: Path) -> str:
    """What a run achieved, for the terminal."""
    validation = metrics.validation
    lines = [
        f"'{metrics.word}': {metrics.parameters} parameters, {metrics.receptive_field_s:.2f} s "
        f"receptive field, trained in {sum(metrics.seconds.values()):.0f} s",
        f"validation: {sum(validation.words.values())} words, "
        f"{validation.negative_hours:.2f} h without the word; FRR in %:",
        *_table(validation.results),
    ]
    stored = "int8" if "int8" in validation.results else "float"  # a teacher stays float
    final = validation.results[stored]
    latency = final.latency_ms_p50
    lines.append(
        f"detector as stored ({stored}): {final.false_alarms_at_high} false alarms, "
        f"FAH {final.fah_at_high:.2f} (95 % bound {final.fah_at_high_upper95:.2f}), median latency "
        + ("unknown" if latency is None else f"{latency:.0f} ms")
    )
    lines += [*source_table(final.sources), *_word_table(final.word_sources), *preset_table(metrics.presets)]
    lines += [f"{f['severity']}: {f['what']} ({f['remedy']})" for f in metrics.findings]
    lines += [f"warning: {text}" for text in metrics.size_warnings]
    return "\n".join([*lines, f"run folder: {folder}"])


def preset_table(presets: dict[str, PresetFigures]) -> list[str]:
    """What each preset was chosen for and what it misses, one a line."""
    if not presets:
        return []
    conditions = list(next(iter(presets.values())).figures.frr_at_high)
    lines = [
        "presets: FAH asked for, to expect on other sources, below which 95 % of them stay; FRR in %",
        f"{'':<8}{'threshold':>10}{'asked':>7}{'expect':>8}{'95 %':>8}"
        + "".join(f"{name:>15}" for name in conditions),
    ]
    for name, preset in presets.items():
        c, frr = preset.calibration, preset.figures.frr_at_high
        start = f"{name:<8}{preset.detector.high:>10.3f}{c.target_fah:>7.2g}"
        rates = f"{c.expected_fah:>8.2f}{c.source_upper95:>8.2f}"
        lines.append(start + rates + "".join(f"{100 * frr[condition]:>15.1f}" for condition in conditions))
    lines += [
        f"warning: no threshold keeps preset '{name}' within {preset.calibration.target_fah:g} an hour: it "
        'has the highest there is ([detector] calibrate = "all" may find more smoothing, which helps)'
        for name, preset in presets.items()
        if not preset.calibration.reached
    ]
    return lines


def _table(results: dict[str, OperatingFigures]) -> list[str]:
    conditions = list(results["float"].frr_at_high)
    rows = [f"{'':<10}{'at':<16}" + "".join(f"{name:>15}" for name in conditions)]
    for name, result in results.items():
        settings = [(f"{k} false alarms", frr) for k, frr in result.frr_at_false_alarms.items()]
        for label, frr in [*settings, ("its threshold", result.frr_at_high)]:
            rows.append(f"{name:<10}{label:<16}" + "".join(f"{100 * frr[c]:>15.1f}" for c in conditions))
    return rows


def source_table(sources: dict[str, AlarmRate]) -> list[str]:
    """False alarms of each source with what so few hours can tell, one a line."""
    if len(sources) < 2:  # the figures of all are those of the one
        return []
    wide = max(len(shown_source(name)) for name in sources)
    lines = [f"{'source':<{wide}}{'hours':>8}{'false alarms':>14}{'FAH':>8}  95 % bounds"]
    for name, rate in sources.items():
        start = f"{shown_source(name):<{wide}}{rate.negative_hours:>8.2f}{rate.false_alarms:>14}"
        if rate.fah is None:
            lines.append(f"{start}{'-':>8}")
        else:
            bounds = f"{rate.fah_lower95:.2f} to {rate.fah_upper95:.2f}"
            lines.append(f"{start}{rate.fah:>8.2f}  {bounds}")
    return lines


def _word_table(sources: dict[str, GroupFigures]) -> list[str]:
    """Misses of each source of words, where there are several."""
    if len(sources) < 2:
        return []
    wide = max(len(shown_source(name)) for name in sources)
    return [f"{'words of':<{wide}}{'heard':>8}{'missed':>8}{'FRR, %':>8}"] + [
        f"{shown_source(name):<{wide}}{found.positives:>8}{found.misses:>8}{100 * (found.frr or 0.0):>8.1f}"
        for name, found in sources.items()
    ]


def shown_source(name: str) -> str:
    return name or "(no source named)"
