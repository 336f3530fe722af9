"""From samples to figures: medians over the rounds, ratios to the first endpoint, and the table.

A ratio is taken round by round, so that what drifts on the machine burdens both
sides; its median is reported with the smallest and the largest. Where these lie
too far apart there is no ratio, only the reason.
"""

import statistics

RATIOS = ("per_second", "p50_ms", "p99_ms", "database_cpu_us")
# One in a thousand: more errors than that, and the speed is that of refusing.
TOLERATED_ERRORS = 0.001


def medians(samples):
    """The median of each number that all samples have."""
    names = [name for name, value in samples[0].items() if isinstance(value, (int, float))]
    return {name: statistics.median(s[name] for s in samples) for name in names if all(name in s for s in samples)}


def ratio(name, samples, base, max_spread):
    """{"median", "min", "max", "spread"}, and "refused" with the reason where median may not be used."""
    for sample in (*samples, *base):
        if sample["errors"] > TOLERATED_ERRORS * max(sample["statements"], 1):
            return {"median": None, "refused": f"{sample['errors']} errors: {sample.get('first_error', '')}"}
    rounds = [mine[name] / its[name] for mine, its in zip(samples, base) if name in mine and its.get(name)]
    if not rounds or len(rounds) < len(samples):
        return {"median": None, "refused": "not measured"}
    median = statistics.median(rounds)
    found = {"median": round(median, 4), "min": round(min(rounds), 4), "max": round(max(rounds), 4)}
    found["spread"] = round((max(rounds) - min(rounds)) / median, 4) if median else 0.0
    if found["spread"] > max_spread:
        found |= {"median": None, "refused": f"rounds disagree: {found['min']:.2f} to {found['max']:.2f}"}
    return found


def conclude(samples, base, max_spread):
    """What all rounds of one endpoint say."""
    return {
        "median": medians(samples),
        "ratio": {name: ratio(name, samples, base, max_spread) for name in RATIOS},
        "rounds": samples,
    }


def _ratio_words(found):
    if found["median"] is None:
        return f"refused, {found['refused']}"
    return f"{found['median']:.2f} ({found['min']:.2f}–{found['max']:.2f})"


def _number(figures, name, form):
    return format(figures[name], form) if name in figures else "–"


LEGEND = (
    "× is the median ratio (lowest–highest of the rounds); µs: CPU a statement of databases, proxy and generator;\n"
    "sw: context switches a statement; p50 and p99 are of a transaction with sysbench, of a statement with load"
)


def table(title, results, open_loop=False):
    """One block of the report; `results` is {endpoint: conclude(…) or a failure's words}."""
    compared = "p99_ms" if open_loop else "per_second"
    base = next(iter(results))
    failures = []
    rows = [(
        title, "statements/s", f"{'p99 ' if open_loop else ''}× {base}", "p50 ms", "p99 ms",
        "db µs", "proxy µs", "gen µs", "db sw", "proxy sw", "proxy MiB",
    )]  # fmt: skip
    for name, result in results.items():
        if isinstance(result, str):
            failures.append(f"{name} failed: {' '.join(result.split())[:150]}")
            continue
        seen = result["median"]
        has_proxy = "proxy_cpu_us" in seen
        rows.append((
            name, _number(seen, "per_second", ",.0f"),
            "1" if name == base else _ratio_words(result["ratio"][compared]),
            _number(seen, "p50_ms", ".3f"), _number(seen, "p99_ms", ".3f"),
            _number(seen, "database_cpu_us", ".1f"), _number(seen, "proxy_cpu_us", ".1f"),
            _number(seen, "generator_cpu_us", ".1f"), _number(seen, "database_switches_per_statement", ".2f"),
            _number(seen, "proxy_switches_per_statement", ".2f"),
            _number(seen, "proxy_rss_mib", ".0f") if has_proxy else "–",
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + failures)
