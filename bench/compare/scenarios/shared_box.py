"""everything on one machine, with sysbench, whose own threads take their part

Without replicas: point selects. With --replicas 2 also reads without transactions,
which the replicas share, and read-write transactions, which stay on the primary.
*Direct* is straight to the primary alone.
"""

from figures import Goal
from rounds import Case
from lists import Flatten, numbers

DEFAULTS = {"rounds": 5, "seconds": 8}
POINT_SELECT = {64: 0.75, 256: 0.9}


def add_arguments(parser):
    parser.add_argument("--threads", "--clients", nargs="+", type=numbers, action=Flatten, default=[64, 256],
                        metavar="N", help="of the point selects (64 256)")  # fmt: skip
    parser.add_argument("--prepared", action="store_true", help="COM_STMT_EXECUTE instead of COM_QUERY")


def most_connections(options):
    return max(64, *options.threads)


def cases(stage):
    protocol = "prepared" if stage.options.prepared else "text"

    def case(workload, threads, at_least, more=()):
        bound = [Goal("throughput × direct", "per_second", at_least=at_least, against="direct")] if at_least else []
        return Case(
            f"{workload} {protocol} {threads}",
            lambda endpoint: stage.sysbench.run(workload, endpoint, threads, protocol),
            {"workload": workload, "protocol": protocol, "threads": threads},
            goals=(*bound, *more),
            warm=lambda endpoint: stage.sysbench.run(workload, endpoint, threads, protocol, seconds=1),
        )

    faster = (Goal("throughput × HAProxy's", "per_second", at_least=1.5, against="haproxy"),)
    for threads in stage.options.threads:
        yield case("point_select", threads, POINT_SELECT.get(threads), faster)
    if stage.options.replicas:
        yield case("read_only_notrx", 64, 0.85)
        yield case("read_write", 32, 0.78)
