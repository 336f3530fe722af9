"""./dev demo: a primary, two replicas and Sluice on this machine, and the split shown live.

Exits 0 if all writes ran on the primary, all reads on the replicas (both of
them), without an error, and every acknowledged row is everywhere; else 1, and
says what was wrong.
"""

import argparse
import os
import signal
import sys
import time

sys.dont_write_bytecode = True

from cluster import APP, Cluster  # noqa: E402
from demo_screen import BOLD, CYAN, DIM, GREEN, RED, Screen, bar, table  # noqa: E402
from demo_traffic import Traffic  # noqa: E402
from sluice import ADMIN, Sluice  # noqa: E402

# Of the columns of SHOW BACKENDS, those that fit on a line.
SHOWN = ("name", "address", "role", "state", "health", "lag_ms", "links", "reads", "writes", "excluded")
TITLES = {"mariadb": "MariaDB", "mysql": "MySQL"}


def arguments():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=("mariadb", "mysql"), default="mariadb")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds with a summary")
    return parser.parse_args()


def invitation(screen, sluice):
    """What to type in another terminal."""
    dsn = f"mysql://{APP[0]}:{APP[1]}@{sluice.address}/app"
    host, port = sluice.address.split(":")
    return [
        f"  {screen.paint(DIM, 'DSN')}     {screen.paint(CYAN, dsn)}",
        f"  {screen.paint(DIM, 'client')}  mysql -h {host} -P {port} -u {APP[0]} -p{APP[1]} app",
        f"  {screen.paint(DIM, 'admin')}   mysql -h {host} -P {sluice.admin_port} -u {ADMIN[0]} -p{ADMIN[1]}"
        " -e 'SHOW BACKENDS'",
        f"  {screen.paint(DIM, 'look')}    http://{host}:{sluice.http_port}/  ({ADMIN[0]}, {ADMIN[1]})",
    ]


def backend_lines(screen, cluster, traffic, writes):
    """One line a backend: its writes, its reads, and when it had the rows."""
    total = sum(traffic.reads.values())
    lines = [screen.paint(BOLD, f"  {'backend':<15}{'role':<9}{'writes':>8}{'reads':>10}   {'share of reads':<23}a row arrives after")]
    for backend in cluster.backends:
        reads = traffic.reads[backend.name]
        share = reads / total if total else 0.0
        quantiles = None if backend is cluster.primary else traffic.journeys.quantiles(backend.name)
        journey = "{:.1f} ms  (p99 {:.1f}, max {:.1f})".format(*quantiles) if quantiles else "–"
        role = "primary" if backend is cluster.primary else "replica"
        lines.append(
            f"  {backend.name + ' :' + str(backend.port):<15}{role:<9}{writes[backend.name]:>8,}{reads:>10,}"
            f"   {bar(share)} {share:>4.0%}  {journey}"
        )
    return lines


def newest_line(screen, cluster, traffic):
    journeys = traffic.journeys
    arrivals = [
        f"{name} had #{last[0]:,} {last[1]:.1f} ms later" for name, last in journeys.last.items() if last is not None
    ]
    return f"  newest row #{journeys.newest:,} written on {cluster.primary.name}; " + ", ".join(arrivals)


def watch(screen, cluster, sluice, traffic, engine, seconds):
    """Shows the traffic until the time is over or somebody says stop."""
    begin = time.monotonic()
    reads_before, writes_before, rates_at = 0, 0, begin
    rates = ""
    while (elapsed := time.monotonic() - begin) < (seconds or float("inf")):
        if not sluice.alive():
            raise RuntimeError(f"Sluice ended unexpectedly:\n{sluice.log_text()[-3000:]}")
        if time.monotonic() - rates_at >= 1:
            span = time.monotonic() - rates_at
            reads, written = sum(traffic.reads.values()), traffic.journeys.written
            median = traffic.median_read_ms()
            rates = f"{(written - writes_before) / span:,.0f} writes/s, {(reads - reads_before) / span:,.0f} reads/s"
            rates += f", a read takes {median:.2f} ms" if median is not None else ""
            reads_before, writes_before, rates_at = reads, written, time.monotonic()
        writes = traffic.writes_by_backend()
        of = f" of {seconds:g}" if seconds else ""
        if screen.live:
            screen.draw(
                [
                    "",
                    f"  {screen.paint(BOLD, 'Sluice')} over {TITLES[engine]} · {elapsed:.0f}{of} s · Ctrl-C stops everything",
                    "",
                    *invitation(screen, sluice),
                    "",
                    *backend_lines(screen, cluster, traffic, writes),
                    "",
                    newest_line(screen, cluster, traffic),
                    f"  {rates}",
                    screen.paint(RED, f"  {traffic.errors} errors, the last: {traffic.last_error}") if traffic.errors else "",
                ]
            )
            time.sleep(0.2)
        else:
            counts = "  ".join(f"{b.name} {writes[b.name]}w/{traffic.reads[b.name]}r" for b in cluster.backends)
            screen.line(f"  {elapsed:4.0f} s  {counts}  {rates}")
            screen.line(newest_line(screen, cluster, traffic))
            time.sleep(min(2, max((seconds or 2) - elapsed, 0)) if seconds else 2)


def faults(cluster, traffic, writes):
    """Everything that the demo promises and did not happen, in words."""
    primary, replicas = cluster.primary, cluster.replicas
    found = []
    if traffic.errors:
        found.append(f"the application saw {traffic.errors} errors, the last: {traffic.last_error}")
    if not writes[primary.name]:
        found.append(f"no write reached the primary {primary.name}")
    strays = {name: count for name, count in writes.items() if name != primary.name and count}
    if strays:
        found.append(f"writes ran elsewhere than on the primary: {strays}")
    if traffic.reads[primary.name]:
        found.append(f"{traffic.reads[primary.name]:,} reads ran on the primary {primary.name}")
    found += [f"no read ran on the replica {r.name}" for r in replicas if not traffic.reads[r.name]]
    try:
        cluster.wait_caught_up(timeout=10)
    except AssertionError as error:
        found.append(str(error))
    for backend in cluster.backends:
        rows = backend.value("(SELECT COUNT(*) FROM app.demo)")
        if rows < traffic.journeys.written:
            found.append(f"{backend.name} has {rows:,} of {traffic.journeys.written:,} acknowledged rows")
    return found


def summary(screen, cluster, sluice, traffic):
    """Prints the result; the exit code."""
    writes = traffic.writes_by_backend()
    problems = faults(cluster, traffic, writes)
    screen.line()
    for text in backend_lines(screen, cluster, traffic, writes):
        screen.line(text)
    screen.line(f"\n  {screen.paint(DIM, 'SHOW BACKENDS on the admin port says')}")
    rows = [{name: row.get(name) for name in SHOWN} for row in sluice.admin("SHOW BACKENDS")]
    for text in table(rows):
        screen.line("  " + text)
    screen.line()
    for problem in problems:
        screen.line(f"  {screen.paint(RED, '✗')} {problem}")
    if not problems:
        replicas = " and ".join(replica.name for replica in cluster.replicas)
        screen.line(
            f"  {screen.paint(GREEN, '✓')} {writes[cluster.primary.name]:,} writes, all on {cluster.primary.name};"
            f" {sum(traffic.reads.values()):,} reads, all on {replicas}; no errors; every row is everywhere"
        )
    return 1 if problems else 0


def run(screen, options):
    steps = []

    def next_step(words):
        finish_step()
        steps.append(screen.step(words))
        steps[-1].__enter__()

    def finish_step():
        if steps:
            steps.pop().__exit__(None, None, None)

    try:
        with Cluster(options.engine, report=next_step) as cluster:
            next_step("starting Sluice in front of them")
            # A busy machine may be slow to answer a probe, and that is not what is shown here.
            patient = {"routing": {"max_lag": "5s"}, "monitor": {"timeout": "3s"}}
            with Sluice(cluster, **patient) as sluice:
                traffic = Traffic(cluster, sluice.connect)
                try:
                    next_step("starting an application: one writer, six readers")
                    traffic.start()
                    traffic.warm_up()
                    finish_step()
                    if not screen.live:
                        for text in invitation(screen, sluice):
                            screen.line(text)
                    try:
                        watch(screen, cluster, sluice, traffic, options.engine, options.seconds)
                    except KeyboardInterrupt:
                        screen.line("\n  stopping")
                    # From here on a second Ctrl-C must not interrupt the clearing up.
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                finally:
                    traffic.stop()
                return summary(screen, cluster, sluice, traffic)
    finally:
        finish_step()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    screen = Screen()
    signal.signal(signal.SIGTERM, interrupt)
    # A shell that runs us in the background makes us ignore Ctrl-C; the demo wants to hear it.
    signal.signal(signal.SIGINT, interrupt)
    try:
        return run(screen, options)
    except KeyboardInterrupt:
        screen.line("\n  stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (RuntimeError, AssertionError, OSError) as error:
        screen.line(f"\n  {screen.paint(RED, '✗')} {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
