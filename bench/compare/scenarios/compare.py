"""any workload, protocol and number of threads: sysbench's scripts or the lean generator

`load` is point selects by sluice_load; with --rate it is an open loop.
"""

import figures
import sysbench
from rounds import Case
from lists import Flatten, numbers

NAMES = (*sysbench.SCRIPTS, "load")
PROTOCOLS = ("text", "prepared")


def add_arguments(parser):
    add = parser.add_argument
    add("--workload", nargs="+", choices=NAMES, default=["point_select", "read_write"], metavar="NAME",
        help=f"{', '.join(NAMES)}: sysbench's, and point selects by the lean generator (point_select read_write)")
    add("--protocol", nargs="+", choices=PROTOCOLS, default=["text"], metavar="NAME", help="text, prepared (text)")
    add("--threads", "--clients", nargs="+", type=numbers, action=Flatten, default=[1, 16, 64], metavar="N",
        help="threads or connections (1 16 64)")
    add("--rate", type=float, default=0, metavar="N", help="load: open loop at N statements a second")


def most_connections(options):
    return max(options.threads)


def cases(stage):
    options = stage.options
    for workload in options.workload:
        for protocol in options.protocol:
            warm = None
            for threads in sorted(options.threads, reverse=True):  # links are opened for the most of them
                warm = warm or _runner(stage, workload, protocol, threads, seconds=1)
            for threads in options.threads:
                open_loop = workload == "load" and options.rate > 0
                rate = f" at {options.rate:g}/s" if open_loop else ""
                yield Case(
                    f"{workload} {protocol} {threads}{rate}", _runner(stage, workload, protocol, threads),
                    {"workload": workload, "protocol": protocol, "threads": threads},
                    figures.USUAL, "p99_ms" if open_loop else "per_second", warm=warm,
                )  # fmt: skip
                warm = None


def _runner(stage, workload, protocol, threads, seconds=None):
    if workload == "load":
        rate = stage.options.rate
        return lambda endpoint: stage.load.run(endpoint, threads, protocol, seconds, rate=rate)
    return lambda endpoint: stage.sysbench.run(workload, endpoint, threads, protocol, seconds)
