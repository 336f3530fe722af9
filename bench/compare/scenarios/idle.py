"""many clients: what an idle one costs in memory, and how fast many work on few links

Sluice alone unless endpoints are named: HAProxy needs two descriptors a client, the
database a thread.
"""

import figures
from figures import Column, Goal
from process import rss_bytes
from rounds import Case

ENDPOINTS = ("sluice",)
DEFAULTS = {"rounds": 3, "seconds": 6}
LINKS = 32
CONFIG = ("listen.max_connections=100000", f"pool.max_links={LINKS}")
FEW = 256

IDLE = (
    Column("KiB a client", "kib_per_client", ".1f"), Column("proxy MiB", "proxy_rss_mib", ".0f"),
    Column("logins/s", "logins_per_second", ",.0f"), Column("proxy CPU s while idle", "proxy_cpu_seconds", ".2f"),
)  # fmt: skip
WORKING = (
    Column(f"× {FEW} clients", "many_times", ".2f"), figures.STATEMENTS,
    Column(f"with {FEW}", "few_per_second", ",.0f"), Column("errors", "errors", ".0f"),
    Column("links", "links", ".0f"), figures.P99, *figures.COSTS,
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--clients", type=int, default=10_000, metavar="N", help="(10000)")
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="leave out the encrypted clients")


def most_connections(options):
    # Direct, each client is a connection of the database.
    return options.clients if "direct" in options.order else 2000


def cases(stage):
    options = stage.options
    clients = options.clients

    before = {}  # memory at the first run: what an allocator keeps from one to the next counts

    def idle(endpoint, tls):
        before.setdefault(endpoint.name, sum(rss_bytes(pid) for pid in endpoint.pids))
        # One asks once a second: that keeps the time.
        sample = stage.load.run(endpoint, 1, rate=1, idle=clients, tls=tls)
        growth = sample["proxy_rss_mib"] * 2**20 - before[endpoint.name]
        return sample | {
            "kib_per_client": round(growth / clients / 1024, 2),
            "logins_per_second": round(clients / sample["login_seconds"], 1),
        }

    for tls, most in ((False, 10), (True, 40))[: 1 + options.tls]:
        yield Case(
            f"{clients} idle{', TLS' * tls}", lambda endpoint, tls=tls: idle(endpoint, tls),
            {"workload": "idle with TLS" if tls else "idle", "protocol": "text", "threads": clients},
            IDLE, "per_second", (Goal("KiB of memory a client", "kib_per_client", at_most=most),),
        )  # fmt: skip

    def working(endpoint):
        few = stage.load.run(endpoint, FEW)
        links = []
        many = stage.load.run(endpoint, clients, warmup=2, at_end=lambda: links.extend(_links(endpoint)))
        return many | ({"links": max(links)} if links else {}) | {
            "few_per_second": few["per_second"],
            "many_times": round(many["per_second"] / few["per_second"], 4),
        }

    yield Case(
        f"{clients} at work, {LINKS} links at most", working,
        {"workload": "many at work", "protocol": "text", "threads": clients}, WORKING, "per_second",
        (Goal(f"throughput × that of {FEW} clients", "many_times", at_least=0.9),
         Goal("links to a backend", "links", at_most=LINKS), Goal("errors", "errors", at_most=0)),
    )  # fmt: skip


def _links(endpoint):
    """To each backend, now; empty if it is not our own Sluice."""
    return [int(row["links"]) for row in endpoint.sluice.backends().values()] if endpoint.sluice else []
