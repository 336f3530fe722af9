"""Shows that the differential test finds bugs: Sluice forgets one kind of state at a time.

    planted.py --engine mariadb            each kind, on one cluster
    planted.py --engine mysql schema …     these

Needs a build with the CMake option SLUICE_PLANTED_BUGS (proxy/planted_bugs.hpp), as the preset asan makes it.
Exit code: 0 if each kind was found within its statements.
"""

import argparse
import os
import random
import sys
import time

import run  # its path to tests/support comes first
from cluster import APP, Cluster
from duel import Duel
from generator import generate
from process import wait_until
from sluice import Sluice
from world import World

KINDS = (
    "schema", "variables", "charset", "user_variables", "prepared", "insert_id", "previous", "temporary_table",
    "locks", "transaction", "read_your_writes", "trackers",
)  # fmt: skip
STATEMENTS = 20_000


def find(cluster, engine, kind, seed):
    """How many statements it took, or None."""
    os.environ["SLUICE_TEST_FORGET"] = kind
    with Sluice(cluster) as sluice:
        wait_until(lambda: len(sluice.serving()) == 2, "both replicas serve")
        duel = Duel(World(cluster, "test_diff"), APP, ("127.0.0.1", cluster.primary.port), ("127.0.0.1", sluice.port))
        number = 0
        while duel.statements < STATEMENTS:
            try:
                found = duel.fight(generate(engine, "test_diff", f"{seed}/{kind}/{number}")) is not None
            except AssertionError:  # a forgotten lock stands in the way of the next script
                found = True
            if found:
                return duel.statements
            number += 1
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("mariadb", "mysql"), default="mariadb")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("kinds", nargs="*", default=KINDS)
    given = parser.parse_args()
    print(f"planted bugs on {given.engine}, --seed {given.seed}", flush=True)
    run.live_in_memory()
    missed = []
    with Cluster(given.engine) as cluster:
        for backend in cluster.backends:
            backend.connect(user=APP[0], password=APP[1], host="127.0.0.1").close()
        for kind in given.kinds:
            began = time.monotonic()
            taken = find(cluster, given.engine, kind, given.seed)
            print(f"{kind:16} {'not found' if taken is None else f'found after {taken} statements'},"
                  f" {time.monotonic() - began:.1f} s", flush=True)  # fmt: skip
            missed += [kind] if taken is None else []
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
