"""From samples to figures: medians over the rounds, ratios, goals, and the table.

A ratio is taken round by round, so that what drifts on the machine burdens both
sides; its median is reported with the smallest and the largest. Where these lie
too far apart there is no ratio, only the reason.

The results of a case are {endpoint: conclude(…)}, or the words of its failure
in place of that. The first endpoint is what the others are compared with.
"""

import dataclasses
import statistics

RATIOS = ("per_second", "p50_ms", "p99_ms", "database_cpu_us", "mib_per_second")
# One in a thousand: more errors than that, and the speed is that of refusing.
TOLERATED_ERRORS = 0.001


def medians(samples):
    """The median of each number that all samples have."""
    names = [name for name, value in samples[0].items() if isinstance(value, (int, float))]
    return {name: statistics.median(s[name] for s in samples) for name in names if all(name in s for s in samples)}


def agreement(rounds, expected, max_spread):
    """{"median", "min", "max", "spread"}, and "refused" with the reason where the median may not be used."""
    if not rounds or len(rounds) < expected:
        return {"median": None, "refused": "not measured"}
    median = statistics.median(rounds)
    found = {"median": round(median, 4), "min": round(min(rounds), 4), "max": round(max(rounds), 4)}
    found["spread"] = round((max(rounds) - min(rounds)) / median, 4) if median else 0.0
    if found["spread"] > max_spread:
        found |= {"median": None, "refused": f"rounds disagree: {found['min']:.2f} to {found['max']:.2f}"}
    return found


def failing(samples):
    """Why these samples are no measure of anything; empty if they are one."""
    for sample in samples:
        if sample["errors"] > TOLERATED_ERRORS * max(sample["statements"], 1):
            return f"{sample['errors']} errors: {sample.get('first_error', '')}"
    return ""


def ratio(name, samples, base, max_spread):
    """The agreement of the rounds about samples divided by base."""
    if why := failing((*samples, *base)):
        return {"median": None, "refused": why}
    rounds = [mine[name] / its[name] for mine, its in zip(samples, base) if name in mine and its.get(name)]
    return agreement(rounds, len(samples), max_spread)


def conclude(samples, base, max_spread):
    """What all rounds of one endpoint say."""
    return {
        "median": medians(samples),
        "ratio": {name: ratio(name, samples, base, max_spread) for name in RATIOS},
        "rounds": samples,
    }


@dataclasses.dataclass(frozen=True)
class Goal:
    """What one endpoint must reach, compared with another in the same rounds, or by itself.

    over: an endpoint whose figure is taken from both first, as for *added* latency.
    """

    words: str
    figure: str
    at_least: float = None
    at_most: float = None
    of: str = "sluice"
    against: str = None
    over: str = None

    def judge(self, results, max_spread):
        """{"goal", "met": True, False or None, "found": agreement}; None if the endpoints are not there."""
        wanted = [self.of, *filter(None, (self.against, self.over))]
        if any(isinstance(results.get(name), (str, type(None))) for name in wanted):
            return None
        found = self._found([results[name]["rounds"] for name in wanted], max_spread)
        median = found["median"]
        met = None if median is None else (self.at_least is None or median >= self.at_least) and (
            self.at_most is None or median <= self.at_most
        )  # fmt: skip
        return {
            "goal": self.words, "figure": self.figure, "at_least": self.at_least, "at_most": self.at_most,
            "met": met, "found": found,
        }  # fmt: skip

    def _found(self, samples, max_spread):
        if why := failing(sample for rounds in samples for sample in rounds):
            return {"median": None, "refused": why}
        values = []
        for mine, *others in zip(*samples):
            figures = [sample.get(self.figure) for sample in (mine, *others)]
            if None in figures:
                return {"median": None, "refused": "not measured"}
            if self.over:
                figures = [max(figure - figures[-1], 0.0) for figure in figures[:-1]]
            if len(figures) > 1 and not figures[1]:
                return {"median": None, "refused": "nothing to compare with"}
            values.append(figures[0] / figures[1] if len(figures) > 1 else figures[0])
        return agreement(values, len(samples[0]), max_spread)


def goal_words(judged):
    """One line a goal."""
    bound = f"≥ {judged['at_least']:g}" if judged["at_least"] is not None else f"≤ {judged['at_most']:g}"
    found = judged["found"]
    seen = f"refused, {found['refused']}" if found["median"] is None else ratio_words(found)
    verdict = {True: "met", False: "SHORT", None: "open"}[judged["met"]]
    return f"  goal {verdict:5}  {judged['goal']} {bound}: {seen}"


def ratio_words(found):
    if found["median"] is None:
        return f"refused, {found['refused']}"
    return f"{found['median']:.2f} ({found['min']:.2f}–{found['max']:.2f})"


@dataclasses.dataclass(frozen=True)
class Column:
    heading: str
    figure: str
    form: str


STATEMENTS = Column("statements/s", "per_second", ",.0f")
P50 = Column("p50 ms", "p50_ms", ".3f")
P99 = Column("p99 ms", "p99_ms", ".3f")
COSTS = (
    Column("db µs", "database_cpu_us", ".1f"), Column("proxy µs", "proxy_cpu_us", ".1f"),
    Column("gen µs", "generator_cpu_us", ".1f"), Column("db sw", "database_switches_per_statement", ".2f"),
    Column("proxy sw", "proxy_switches_per_statement", ".2f"), Column("proxy MiB", "proxy_rss_mib", ".0f"),
)  # fmt: skip
USUAL = (STATEMENTS, P50, P99, *COSTS)

LEGEND = (
    "× is the median ratio (lowest–highest of the rounds); µs: CPU a statement of databases, proxy and generator;\n"
    "sw: context switches a statement; p50 and p99 are of a transaction with sysbench, of a statement else"
)


def _cell(seen, column):
    if column.figure == "proxy_rss_mib" and "proxy_cpu_us" not in seen:
        return "–"  # nobody knows its process
    return format(seen[column.figure], column.form) if column.figure in seen else "–"


def table(title, results, columns=USUAL, compared="per_second"):
    """One block of the report; the ratio, if there are two to compare, stands behind the column that it is of."""
    base = next(iter(results))
    where = next((i for i, column in enumerate(columns) if column.figure == compared), 0) + 1
    sign = "" if columns[where - 1].figure == compared else f"{compared} "
    alone = len(results) == 1
    headings = [column.heading for column in columns]
    if not alone:
        headings.insert(where, f"{sign}× {base}")
    rows, failures = [(title, *headings)], []
    for name, result in results.items():
        if isinstance(result, str):
            failures.append(f"{name} failed: {' '.join(result.split())[:150]}")
            continue
        cells = [_cell(result["median"], column) for column in columns]
        if not alone:
            cells.insert(where, "1" if name == base else ratio_words(result["ratio"][compared]))
        rows.append((name, *cells))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + failures)
