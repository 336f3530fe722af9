"""how much one database core serves: databases on core 0, generator and proxy on core 1

Point selects by the lean generator, so that the client is not what is measured.
Sluice has one worker.
"""

from figures import Goal
from rounds import Case
from lists import Flatten, numbers

DEFAULTS = {"pin": True, "rounds": 5, "seconds": 8}
# By clients: throughput × direct, database CPU × direct.
GOALS = {64: (1.5, 0.65), 256: (1.8, 0.55), 1000: (2.5, 0.35)}


def add_arguments(parser):
    parser.add_argument("--clients", nargs="+", type=numbers, action=Flatten, default=[64, 256, 1000], metavar="N",
                        help="connections (64 256 1000)")  # fmt: skip
    parser.add_argument("--prepared", action="store_true", help="COM_STMT_EXECUTE instead of COM_QUERY")


def most_connections(options):
    return max(options.clients)


def goals(clients):
    found = [
        Goal("own CPU × HAProxy's", "proxy_cpu_us", at_most=0.6, against="haproxy"),
        Goal("p99 × direct", "p99_ms", at_most=1.0, against="direct"),
    ]
    if clients in GOALS:
        throughput, cpu = GOALS[clients]
        found = [
            Goal("throughput × direct", "per_second", at_least=throughput, against="direct"),
            Goal("database CPU a statement × direct", "database_cpu_us", at_most=cpu, against="direct"),
            *found,
        ]
    return tuple(found)


def cases(stage):
    protocol = "prepared" if stage.options.prepared else "text"
    for clients in stage.options.clients:
        yield Case(
            f"{protocol}, {clients} clients",
            lambda endpoint, clients=clients: stage.load.run(endpoint, clients, protocol),
            {"workload": "load", "protocol": protocol, "threads": clients},
            goals=goals(clients),
            warm=lambda endpoint, clients=clients: stage.load.run(endpoint, clients, protocol, seconds=1),
        )
