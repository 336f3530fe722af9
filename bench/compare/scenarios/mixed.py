"""fast statements among slow ones: what 1 % of 200 ms does to the others

Each round runs without and with the slow ones, at the same rate (open loop). The
p99 is that of the fast statements; × is that with the slow ones by that without.
"""

import figures
from figures import Column, Goal
from rounds import Case

DEFAULTS = {"rounds": 5, "seconds": 6}
COLUMNS = (
    Column("× without", "p99_times", ".2f"), Column("p99 ms", "p99_ms", ".3f"),
    Column("p99 without", "p99_without_ms", ".3f"), Column("p99.9 ms", "p99_9_ms", ".3f"),
    Column("slow p50 ms", "slow_p50_ms", ".1f"), figures.STATEMENTS, *figures.COSTS,
)  # fmt: skip


def add_arguments(parser):
    add = parser.add_argument
    add("--rate", type=float, default=3000, metavar="N", help="statements a second (3000)")
    add("--clients", type=int, default=128, metavar="N", help="connections (128)")
    add("--share", type=float, default=0.01, metavar="X", help="of the slow statements, SELECT SLEEP(0.2) (0.01)")
    add("--prepared", action="store_true", help="COM_STMT_EXECUTE instead of COM_QUERY")


def most_connections(options):
    return options.clients


def cases(stage):
    options = stage.options
    protocol = "prepared" if options.prepared else "text"

    def run(endpoint):
        without = stage.load.run(endpoint, options.clients, protocol, rate=options.rate)
        sample = stage.load.run(endpoint, options.clients, protocol, rate=options.rate, slow_share=options.share)
        sample["p99_without_ms"] = without["p99_ms"]
        sample["errors"] += without["errors"]
        sample["p99_times"] = round(sample["p99_ms"] / without["p99_ms"], 4)
        return sample

    yield Case(
        f"{protocol}, {options.rate:g}/s, {options.share:.1%} slow", run,
        {"workload": "mixed", "protocol": protocol, "threads": options.clients, "rate": options.rate},
        COLUMNS, "p99_ms",
        (Goal("p99 of the fast ones × without slow ones", "p99_times", at_most=1.3),),
    )  # fmt: skip
