"""The differential test: random scripts on the primary and through Sluice must get equal answers.

    run.py --engine mariadb --seconds 40                    what ./dev test does
    run.py --engine mysql --statements 200000 --seed 7 --noise 4 --kills
    run.py --engine mysql --seed 7 --only 123 --shrink      one script of that run again
    run.py --engine mysql --replay FILE                     a script that a failure left
    run.py --through direct                                 the comparison itself: primary against primary
    run.py --forget schema                                  a planted bug, which must be found

Exit code: 0 if no answer differed (with --forget: if one did), else 1.
"""

import argparse
import contextlib
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True

from cluster import APP, Cluster  # noqa: E402
from duel import Duel  # noqa: E402
from generator import generate  # noqa: E402
from kills import Killer  # noqa: E402
from noise import Noise  # noqa: E402
from process import wait_until  # noqa: E402
from script import Script  # noqa: E402
from shrinker import shrink  # noqa: E402
from sluice import ROOT, Sluice  # noqa: E402
from world import World  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("mariadb", "mysql"), default="mariadb")
    parser.add_argument("--seed", type=int, help="random, and printed, if not given")
    parser.add_argument("--statements", type=int, help="stop after so many")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--length", type=int, default=80, help="statements a script")
    parser.add_argument("--only", type=int, help="this script of the run and no other")
    parser.add_argument("--replay", type=pathlib.Path, help="this file's script and no other")
    parser.add_argument("--shrink", action="store_true", help="shorten what fails")
    parser.add_argument("--mismatches", type=int, default=1, help="stop after so many")
    parser.add_argument("--noise", type=int, default=2, help="so many other clients")
    parser.add_argument("--kills", action="store_true", help="kill links and replicas meanwhile")
    parser.add_argument("--forget", metavar="KIND", help="let a test build of Sluice forget schema, variables, …")
    parser.add_argument("--through", choices=("sluice", "direct"), default="sluice")
    given = parser.parse_args()
    if given.seed is None:
        given.seed = random.randrange(1 << 31)
    if given.statements is None and given.seconds is None:
        given.statements = 1_000_000_000 if given.forget is None else 20_000
    return given


def live_in_memory():
    """Data directories in memory, if there is room: a script begins with sixty statements of DDL."""
    memory = pathlib.Path("/dev/shm")
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30:
        tempfile.tempdir = str(memory)


def scripts(given):
    """(number, script) pairs for as long as the budget lasts."""
    if given.replay:
        yield 0, Script.parse(given.replay.read_text())
        return
    number = given.only or 0
    while True:
        yield number, generate(given.engine, "test_diff", f"{given.seed}/{number}", given.length)
        if given.only is not None:
            return
        number += 1


def keep(given, number, script):
    place = ROOT / "build/test-logs/differential"
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{given.engine}-{given.seed}-{number}.script"
    file.write_text(script.text() + "\n")
    return file


def what_goes_on(cluster, sluice):
    """For a statement that got no answer: who runs what, on the primary and in Sluice."""
    lines = [str(row) for row in cluster.primary.sql("SHOW FULL PROCESSLIST") if row["Command"] not in ("Sleep", "Daemon")]
    return "\n".join(lines + [str(row) for row in sluice.admin("SHOW SESSIONS")])


def report(given, duel, number, mismatch):
    print(f"\nMISMATCH in script {number} of seed {given.seed} ({given.engine}), step {mismatch.index}", flush=True)
    if given.shrink:
        sound = duel.is_sound(mismatch.script)
        if not sound:
            print("the primary does not agree with itself on this script")

        def fails(candidate):
            return duel.fight(candidate) is not None and duel.is_sound(candidate) == sound

        short = shrink(mismatch.script, fails, mismatch.index)
        mismatch = duel.fight(short) or mismatch
    print(mismatch.text(), flush=True)
    print(f"kept in {keep(given, number, mismatch.script)}", flush=True)


def run(given, cluster, sluice):
    direct = ("127.0.0.1", cluster.primary.port)
    through = ("127.0.0.1", sluice.port) if sluice else direct
    for backend in cluster.backends:  # from now on caching_sha2_password answers on its fast path
        backend.connect(user=APP[0], password=APP[1], host="127.0.0.1").close()
    killer = Killer(cluster) if given.kills else None
    duel = Duel(World(cluster, "test_diff"), APP, direct, through, killer.disturb if killer else None)
    began, mismatches, number = time.monotonic(), 0, 0
    noise = Noise(cluster, through, APP, given.noise, given.seed) if given.noise else contextlib.nullcontext()
    with noise:
        for number, script in scripts(given):
            try:
                mismatch = duel.fight(script)
            except AssertionError:  # the world cannot be made anew
                print(f"in script {number}:", what_goes_on(cluster, sluice) if sluice else "", sep="\n", flush=True)
                raise
            if sluice and not sluice.alive():
                print(f"Sluice died in script {number}:\n{script.text()}\n{sluice.log_text()[-3000:]}")
                return 1
            if mismatch:
                if sluice and mismatch.no_answer():
                    print(what_goes_on(cluster, sluice), flush=True)
                report(given, duel, number, mismatch)
                mismatches += 1
                if mismatches >= given.mismatches:
                    break
            over = given.seconds is not None and time.monotonic() - began >= given.seconds
            if over or (given.statements is not None and duel.statements >= given.statements):
                break
    seconds = time.monotonic() - began
    print(f"{duel.statements} statements in {number + 1} scripts, {mismatches} mismatches, {seconds:.0f} s"
          + (f", {duel.set_aside} scripts set aside" if duel.set_aside else ""), flush=True)  # fmt: skip
    if killer:
        print(f"{killer.links} links and {killer.replicas} replicas killed, {duel.cut_short} scripts cut short by it")
    if given.forget is not None:
        return 0 if mismatches else 1
    return 1 if mismatches else 0


def main():
    given = arguments()
    print(f"differential test on {given.engine}, --seed {given.seed}", flush=True)
    live_in_memory()
    if given.forget is not None:
        os.environ["SLUICE_TEST_FORGET"] = given.forget
    with Cluster(given.engine) as cluster:
        if given.through == "direct":
            return run(given, cluster, None)
        with Sluice(cluster) as sluice:
            try:
                wait_until(lambda: len(sluice.serving()) == 2, "both replicas serve")
                return run(given, cluster, sluice)
            finally:
                sluice.keep_log(f"differential-{given.engine}")


if __name__ == "__main__":
    sys.exit(main())
