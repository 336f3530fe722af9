"""what a statement costs Sluice in system calls and allocations

Point selects by the lean generator, one worker. Counted without a tracer (see
tests/counting), so the timing is what it is without. *Client* are the connections
that were accepted, *link* those that Sluice has made; *in vain* are reads that found
nothing and writes that found no room, and are counted among the others too.
"""

import figures
from figures import Column, Goal
from generator import RunFailed
from lists import Flatten, numbers
from rounds import Case

ENDPOINTS = ("sluice",)
CONFIG = ("process.threads=1",)
DEFAULTS = {"rounds": 3, "seconds": 3}
FIGURES = {
    "client_reads": "accepted_reads", "client_writes": "accepted_writes", "client_in_vain": "accepted_in_vain",
    "link_reads": "made_reads", "link_writes": "made_writes", "link_in_vain": "made_in_vain",
    "other_calls": "other_reads", "epoll_waits": "epoll_waits", "epoll_changes": "epoll_changes",
    "timer_sets": "timer_sets", "allocations": "allocations", "allocated_bytes": "allocated_bytes",
}  # fmt: skip
COLUMNS = (
    *(Column(name.replace("_", " "), name, ".2f") for name in FIGURES if name != "allocated_bytes"),
    Column("bytes", "allocated_bytes", ".0f"), figures.STATEMENTS,
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--clients", nargs="+", type=numbers, action=Flatten, default=[1, 64, 256], metavar="N",
                        help="connections (1 64 256)")  # fmt: skip


    parser.add_argument("--where", action="store_true", help="where allocations come from, a statement; slow")


def counted(options):
    return "sites" if options.where else True


def most_connections(options):
    return max(options.clients)


def cases(stage):
    for protocol in ("text", "prepared"):
        for clients in stage.options.clients:
            yield Case(
                f"{protocol}, {clients} clients, each statement",
                lambda endpoint, clients=clients, protocol=protocol: count(stage, endpoint, clients, protocol),
                {"workload": "syscalls", "protocol": protocol, "threads": clients}, COLUMNS,
                goals=(
                    Goal("client reads a statement", "client_reads", at_most=1.02),
                    Goal("client writes a statement", "client_writes", at_most=1.02),
                    Goal("allocations a statement", "allocations", at_most=0.01),
                ),
            )  # fmt: skip


def count(stage, endpoint, clients, protocol):
    if endpoint.counts is None:
        raise RunFailed("only our own Sluice is counted")
    before, found, stacks = {}, {}, []
    sites = endpoint.counts.sites

    def begin():
        before.update(endpoint.counts.read())
        stacks.append(sites.read() if sites else None)

    def end():
        found.update(endpoint.counts.since(before))
        stacks.append(sites.since(stacks[0]) if sites else ())

    sample = stage.load.run(endpoint, clients, protocol, at_begin=begin, at_end=end)
    replies = max(sample["statements"], 1)
    for times, size, functions in stacks[1]:
        if times > replies / 100:
            print(f"{times / replies:6.2f} of {size:5} bytes  " + " < ".join(functions[:5]))
    return sample | {name: round(found[key] / replies, 4) for name, key in FIGURES.items()}
