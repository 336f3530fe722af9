"""./dev bench: the same load straight to the database, through HAProxy, through Sluice, in turn.

Starts its own database, HAProxy and Sluice; other endpoints are given as
NAME=HOST:PORT. Runs go A B C A B C, so that what drifts on the machine burdens
all alike. Exits 0 if every run came through, else 1. See bench/README.md.
"""

import argparse
import importlib
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import endpoints as places  # noqa: E402
import figures  # noqa: E402
import generator  # noqa: E402
import plot  # noqa: E402
import rounds  # noqa: E402
import sluice  # noqa: E402
import stage  # noqa: E402

SCENARIOS = ("compare", "one-core", "shared-box", "latency", "idle", "storm", "mixed", "large", "workers", "syscalls")


def scenario_named(name):
    return importlib.import_module(f"scenarios.{name.replace('-', '_')}")


def arguments(argv):
    """The options, of which `play` is the scenario's module."""
    name = argv.pop(0) if argv and argv[0] in SCENARIOS else "compare"
    scenario = scenario_named(name)
    listed = "\n".join(f"  {each:11} {scenario_named(each).__doc__.splitlines()[0]}" for each in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="./dev bench", usage=f"./dev bench [SCENARIO] [ENDPOINT …] [options]   (here: {name})",
        description=scenario.__doc__, epilog=f"scenarios:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("endpoints", nargs="*", metavar="ENDPOINT",
        help="direct, haproxy, sluice, NAME=HOST:PORT[@PID]; they go before the options, and the first is what the"
             " others are compared with")
    add("--engine", choices=("mariadb", "mysql"), default="mariadb")
    add("--replicas", type=int, default=0, metavar="N", help="replicas beside the primary (0)")
    add("--rounds", type=int, default=3, metavar="N", help="(%(default)s); for figures to show, 5 or more")
    add("--seconds", type=int, default=4, metavar="S", help="of each run (%(default)s)")
    add("--rows", type=int, default=10_000, metavar="N", help="in each table (10000)")
    add("--pin", action="store_true", help="databases on core 0, proxy and generator on core 1")
    add("--max-spread", type=float, default=0.25, metavar="X",
        help="refuse a ratio whose rounds lie further apart, as a share of the median (0.25)")
    add("--cold", action="store_true", help="leave out the run of a second that nobody counts, before each case")
    add("--sluice", nargs="+", default=[], metavar="SECTION.KEY=VALUE", help="more lines for Sluice's config")
    add("--pause", action="store_true", help="print the databases' addresses and wait for Enter, to start another proxy")
    add("--json", type=pathlib.Path, metavar="FILE", help="all samples, medians and ratios")
    add("--html", type=pathlib.Path, metavar="FILE", help="the report as one page with plots")
    own = parser.add_argument_group(name)
    scenario.add_arguments(own)
    parser.set_defaults(**getattr(scenario, "DEFAULTS", {}))
    options = parser.parse_args(argv)
    options.scenario, options.play = name, scenario
    options.scenario_config = list(getattr(scenario, "CONFIG", ()))
    if options.pin and len(os.sched_getaffinity(0)) < 2:
        parser.error("--pin needs two cores")
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds are 1 or more")
    _choose_endpoints(options, parser)
    return options


def _choose_endpoints(options, parser):
    """built_in, foreign, and the order of all of them."""
    usual = getattr(options.play, "ENDPOINTS", places.BUILT_IN)
    ours = (*places.BUILT_IN, *getattr(options.play, "VARIANTS", ()))
    named = [text for text in options.endpoints if text in ours]
    options.built_in = named or list(usual)
    try:
        options.foreign = [places.foreign(text) for text in options.endpoints if text not in ours]
    except ValueError as error:
        parser.error(str(error))
    # As given, if a built-in one is among them; else ours come first.
    options.order = [text.partition("=")[0] for text in options.endpoints if named] or [
        *options.built_in, *(e.name for e in options.foreign)]  # fmt: skip


def refuse_early(options):
    """Whatever is not built is said before a database is started."""
    needed = [generator.load_binary()] + ([sluice.binary()] if any("sluice" in name for name in options.built_in) else [])
    for program in needed:
        if not program.exists():
            sys.exit(f"{program} is not built: run ./dev build")


def heading(about):
    return (f"{about['scenario']}: {about['engine']}, {about['replicas']} replicas, {about['cores']} cores"
            f"{', pinned' * about['pin']}, {about['rounds']} rounds of {about['seconds']} s,"
            f" load average {about['load_average_before']:.1f} before")  # fmt: skip


def summary(report):
    """How the goals stand, in one line."""
    met = [goal["met"] for case in report["cases"] for goal in case["goals"]]
    return f"goals: {met.count(True)} met, {met.count(False)} short, {met.count(None)} open"


def run(options):
    refuse_early(options)
    report = {"about": {}, "cases": []}
    with stage.set_stage(options, options.play.most_connections(options)) as here:
        report["about"] = here.about
        print(heading(here.about))
        print(figures.LEGEND)
        if options.rounds < 3:
            print("fewer than three rounds: how far they agree is not known")
        for case in options.play.cases(here):
            if options.cold:
                case.warm = None
            results = rounds.play(case, here.endpoints, options.rounds, options.max_spread)
            text = figures.table(case.title, results, case.columns, case.compared)
            judged = [goal.judge(results, options.max_spread) for goal in case.goals]
            judged = [one for one in judged if one]
            print("\n" + "\n".join([text, *map(figures.goal_words, judged)]), flush=True)
            report["cases"].append({
                "title": case.title, **case.key, "compared": case.compared,
                "columns": {column.figure: column.heading for column in case.columns}, "text": text, "goals": judged,
                "endpoints": {name: {"failed": r} if isinstance(r, str) else r for name, r in results.items()},
            })  # fmt: skip
    print("\n" + summary(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.html:
        options.html.write_text(plot.page(report, heading(report["about"])))
    return 1 if any("failed" in r for case in report["cases"] for r in case["endpoints"].values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
