"""what a proxy adds for a lone client, and the latency at a fixed rate

One connection in a closed loop; then many at a fixed rate (open loop: latency counts
from when a statement was due, so that a pause is not left out).
"""

import figures
from figures import Goal
from rounds import Case

DEFAULTS = {"rounds": 5, "seconds": 6}


def add_arguments(parser):
    parser.add_argument("--rate", type=float, default=5000, metavar="N", help="statements a second (5000); 0: no open loop")
    parser.add_argument("--clients", type=int, default=64, metavar="N", help="connections of the open loop (64)")


def most_connections(options):
    return options.clients


COLUMNS = (
    figures.P50, figures.P99, figures.Column("p99.9 ms", "p99_9_ms", ".3f"),
    figures.Column("max ms", "max_ms", ".2f"), figures.STATEMENTS, *figures.COSTS,
)  # fmt: skip


def added(figure, words):
    return Goal(f"added {words} × HAProxy's", figure, at_most=1.0, against="haproxy", over="direct")


def cases(stage):
    options = stage.options
    for protocol in ("text", "prepared"):
        yield Case(
            f"{protocol}, alone",
            lambda endpoint, protocol=protocol: stage.load.run(endpoint, 1, protocol),
            {"workload": "alone", "protocol": protocol, "threads": 1},
            COLUMNS, "p50_ms", (added("p50_ms", "median"), added("p99_ms", "p99")),
        )  # fmt: skip
        if options.rate:
            yield Case(
                f"{protocol}, {options.rate:g}/s over {options.clients}",
                lambda endpoint, protocol=protocol: stage.load.run(
                    endpoint, options.clients, protocol, rate=options.rate
                ),
                {"workload": "open loop", "protocol": protocol, "threads": options.clients, "rate": options.rate},
                COLUMNS, "p99_ms",
            )  # fmt: skip
