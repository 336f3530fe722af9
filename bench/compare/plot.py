"""The report as one HTML page: plots drawn as SVG, tables, goals; nothing is loaded from elsewhere."""

import html
import math

COLOURS = ("#6b7280", "#d97706", "#2563eb", "#059669", "#db2777", "#7c3aed")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 70, 12, 34, 44
PERCENTILES = ((50, "p50_ms"), (90, "p90_ms"), (95, "p95_ms"), (99, "p99_ms"), (99.9, "p99_9_ms"), (99.99, "p99_99_ms"))
# What is always worth a plot where it is measured, beside what is compared and what has a goal.
USUAL = ("database_cpu_us", "proxy_cpu_us")
WORDS = {
    "per_second": "statements/s", "p50_ms": "median, ms", "p99_ms": "p99, ms",
    "database_cpu_us": "database CPU, µs a statement", "proxy_cpu_us": "proxy CPU, µs a statement",
}  # fmt: skip

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1340px; padding: 0 1em; color: #111; }
pre { background: #f6f7f9; padding: 1em; overflow-x: auto; font-size: 13px; }
svg { width: 640px; max-width: 100%; height: auto; } .plots { display: flex; flex-wrap: wrap; gap: 1em; }
text { font: 12px system-ui, sans-serif; fill: #374151; } .title { font-weight: 600; fill: #111; }
.met { color: #047857; } .short { color: #b91c1c; } .open { color: #6b7280; }
@media (prefers-color-scheme: dark) {
  body { background: #111418; color: #e5e7eb; } pre { background: #1b2027; } text { fill: #c3c9d2; } .title { fill: #fff; }
}
"""


def _text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{html.escape(str(words))}</text>'


def _nice(top):
    """A round number not below `top`."""
    if top <= 0:
        return 1.0
    scale = 10 ** math.floor(math.log10(top))
    return next(step * scale for step in (1, 2, 2.5, 5, 10) if step * scale >= top * 0.999)


def _frame(title, ticks, names, colours):
    """Axes, grid, title and legend; ticks: [(height from 0 to 1, label)]."""
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">',
           _text(LEFT, 15, title, "start", 'class="title"')]  # fmt: skip
    span = HEIGHT - TOP - BOTTOM
    for height, label in ticks:
        y = TOP + span * (1 - height)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#9ca3af" stroke-opacity=".35"/>')
        out.append(_text(LEFT - 6, y + 4, label, "end"))
    x = LEFT
    for name in names:
        out.append(f'<rect x="{x}" y="{HEIGHT - 14}" width="10" height="10" fill="{colours[name]}"/>')
        out.append(_text(x + 14, HEIGHT - 5, name, "start"))
        x += 30 + 8 * len(name)
    return out


def bars(title, groups, names, colours):
    """Bars with whiskers from the lowest to the highest round. groups: [(label, {name: (low, median, high)})]"""
    top = _nice(max((high for _, values in groups for _, _, high in values.values()), default=1))
    out = _frame(title, [(i / 4, f"{top * i / 4:,.6g}") for i in range(5)], names, colours)
    span, room = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    width = min(46, room * 0.8 / max(len(names), 1))
    for at, (label, values) in enumerate(groups):
        middle = LEFT + room * (at + 0.5)
        out.append(_text(middle, HEIGHT - BOTTOM + 16, label))
        for place, name in enumerate(names):
            if name not in values:
                continue
            low, median, high = (TOP + span * (1 - value / top) for value in values[name])
            x = middle + (place - len(names) / 2) * width
            out.append(f'<rect x="{x + 2:.1f}" y="{median:.1f}" width="{width - 4:.1f}" height="{TOP + span - median:.1f}"'
                       f' fill="{colours[name]}"><title>{html.escape(name)}: {values[name][1]:,.6g}</title></rect>')  # fmt: skip
            centre = x + width / 2
            out.append(f'<path d="M{centre:.1f} {high:.1f}V{low:.1f}M{centre - 4:.1f} {high:.1f}h8M{centre - 4:.1f} {low:.1f}h8"'
                       ' stroke="#111" stroke-opacity=".75" fill="none"/>')  # fmt: skip
    return "".join([*out, "</svg>"])


def percentiles(title, curves, names, colours):
    """Latency by percentile as HdrHistogram draws it: each step to the right is ten times rarer; both axes logarithmic."""
    values = [value for curve in curves.values() for _, value in curve if value > 0]
    if not values:
        return ""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    high = max(high, low + 1)
    ticks = [((e - low) / (high - low), f"{10.0**e:g} ms") for e in range(low, high + 1)]
    out = _frame(title, ticks, names, colours)
    span, wide = HEIGHT - TOP - BOTTOM, WIDTH - LEFT - RIGHT

    def x_of(percent):
        return LEFT + 16 + (wide - 44) * (math.log10(100 / (100 - percent)) - 0.3) / 3.7

    for percent, _ in PERCENTILES:
        out.append(_text(x_of(percent), HEIGHT - BOTTOM + 16, f"{percent:g} %"))
    for name, curve in curves.items():
        points = [f"{x_of(p):.1f},{TOP + span * (1 - (math.log10(v) - low) / (high - low)):.1f}" for p, v in curve if v > 0]
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
    return "".join([*out, "</svg>"])


def _measured(case):
    return {name: result for name, result in case["endpoints"].items() if "failed" not in result}


def _spread(result, figure):
    values = [sample[figure] for sample in result["rounds"] if figure in sample]
    return (min(values), result["median"][figure], max(values)) if values and figure in result["median"] else None


def _plots(cases, names, colours):
    """Bars over the cases that differ only in their number of threads; percentiles for each open loop."""
    goals = [goal["figure"] for case in cases for goal in case["goals"]]
    for figure in dict.fromkeys((*(case["compared"] for case in cases), *goals, *USUAL)):
        groups = []
        for case in cases:
            values = {name: _spread(result, figure) for name, result in _measured(case).items()}
            groups.append((case.get("threads", ""), {name: value for name, value in values.items() if value}))
        if any(values for _, values in groups):
            words = WORDS.get(figure) or cases[0]["columns"].get(figure) or figure.replace("_", " ")
            label = f"{cases[0].get('workload', '')} {cases[0].get('protocol', '')}: {words}"
            yield bars(label, groups, names, colours)
    for case in cases:
        curves = {name: [(p, result["median"][key]) for p, key in PERCENTILES if key in result["median"]]
                  for name, result in _measured(case).items()}  # fmt: skip
        if any(len(curve) == len(PERCENTILES) for curve in curves.values()):
            yield percentiles(f"{case['title']}: latency by percentile", curves, names, colours)


def page(report, heading):
    """The whole report, from what goes into the JSON."""
    names = list(dict.fromkeys(name for case in report["cases"] for name in case["endpoints"]))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    families = {}
    for case in report["cases"]:
        families.setdefault((case.get("workload"), case.get("protocol")), []).append(case)
    out = ["<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
           f"<title>{html.escape(heading)}</title><style>{STYLE}</style><h1>./dev bench {html.escape(report['about']['scenario'])}</h1>",
           f"<p>{html.escape(heading)}; {html.escape(report['about']['processor'])}, kernel {html.escape(report['about']['kernel'])},"
           f" Sluice {html.escape(report['about']['sluice'])}, {html.escape(report['about']['when'])}</p>"]  # fmt: skip
    for cases in families.values():
        out.append('<div class="plots">' + "\n".join(_plots(cases, names, colours)) + "</div>")
        for case in cases:
            out.append(f"<pre>{html.escape(case['text'])}</pre>")
            out += [_goal(judged) for judged in case["goals"]]
    return "\n".join(out) + "\n"


def _goal(judged):
    kind = {True: "met", False: "short", None: "open"}[judged["met"]]
    bound = f"≥ {judged['at_least']:g}" if judged["at_least"] is not None else f"≤ {judged['at_most']:g}"
    found = judged["found"]
    seen = found["refused"] if found["median"] is None else f"{found['median']:.2f} ({found['min']:.2f}–{found['max']:.2f})"
    return f'<div class="{kind}">{kind}: {html.escape(judged["goal"])} {bound}: {html.escape(seen)}</div>'
