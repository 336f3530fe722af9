"""connection storms: connect, log in, SELECT 1, disconnect, as often as it goes

The latency is that of the whole visit.
"""

import figures
from figures import Goal
from rounds import Case
from lists import Flatten, numbers

DEFAULTS = {"rounds": 5, "seconds": 5}
COLUMNS = (figures.Column("visits/s", "per_second", ",.0f"), figures.P50, figures.P99, *figures.COSTS)


def add_arguments(parser):
    parser.add_argument("--clients", nargs="+", type=numbers, action=Flatten, default=[16, 64], metavar="N",
                        help="visits at a time (16 64)")  # fmt: skip


def most_connections(options):
    # A server counts a connection until its thread has ended.
    return 4 * max(options.clients)


def cases(stage):
    for clients in stage.options.clients:
        yield Case(
            f"{clients} at a time",
            lambda endpoint, clients=clients: stage.load.run(endpoint, clients, sql="SELECT 1", storm=True),
            {"workload": "storm", "protocol": "text", "threads": clients},
            COLUMNS,
            goals=(Goal("visits × direct", "per_second", at_least=1.3, against="direct"),),
        )
