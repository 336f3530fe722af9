"""failover.mode = "promote": a lost primary is replaced, an old one fenced, nothing written twice."""

import contextlib
import shutil

import pymysql
import pytest

from cluster import FAILOVER, REPL, Cluster
from ledger import Ledger
from process import wait_until
from sluice import Sluice


@contextlib.contextmanager
def promoting(cluster, tmp_path, **more):
    failover = {
        "mode": "promote", "user": FAILOVER[0], "password": FAILOVER[1], "replication_user": REPL[0],
        "replication_password": REPL[1], "state_file": tmp_path / "state", "hold": "20s",
    }  # fmt: skip
    with Sluice(cluster, failover=failover | more) as sluice:
        try:
            yield sluice
        except BaseException:
            print(f"log of Sluice, kept in {sluice.keep_log(tmp_path.name)}:\n{sluice.log_text()[-4000:]}")
            raise


def history(sluice, kind=None):
    return [row for row in sluice.admin("SHOW FAILOVER HISTORY") if kind in (None, row["kind"])]


def facts(sluice):
    return {row["name"]: row["value"] for row in sluice.admin("SHOW FAILOVER")}


def done(sluice, kind, timeout=20):
    """Waits for a plan of this kind to be done; its row."""
    return wait_until(
        lambda: next((row for row in history(sluice, kind) if row["result"] == "done"), None),
        f"a {kind} is done: {history(sluice)}",
        timeout,
    )


def judged(sluice):
    """Waits until the old primary has rejoined or is quarantined: which of them."""
    ends = {"rejoin", "quarantine"}
    return wait_until(
        lambda: next((row["kind"] for row in history(sluice) if row["kind"] in ends and row["result"] == "done"), None),
        "the old primary is judged",
        30,
    )


def writable(cluster):
    return [b for b in cluster.backends if b.alive() and not int(b.value(f"@@global.{b.engine.read_only}"))]


def settled(cluster, sluice):
    """One writer, and all others that live follow it; takes note of who it is."""

    def look():
        writers = writable(cluster)
        if [b.name for b in writers] != [sluice.primary()]:
            return None
        others = [b for b in cluster.backends if b is not writers[0]]
        return writers[0] if all(b.replicates() for b in others if b.alive()) else None

    return elect(cluster, wait_until(look, f"one writer and its replicas: {history(sluice)[:2]}", 30))


def elect(cluster, backend):
    """Tells the cluster who its primary is now."""
    cluster.primary = backend
    cluster.replicas = [b for b in cluster.backends if b is not backend]
    return backend


@pytest.fixture(scope="module")
def mortal(engine):
    """Commits wait for a replica: what was acknowledged is somewhere when the primary dies."""
    with Cluster(engine, semi_sync=True) as made:
        yield made


def test_a_killed_primary_is_replaced_and_rejoins_when_it_returns(mortal, tmp_path):
    old = mortal.primary
    with promoting(mortal, tmp_path) as sluice:
        with Ledger(mortal, sluice) as ledger:
            old.kill9()
            promotion = done(sluice, "promotion")
            ledger.wait_more()
        new = settled(mortal, sluice)
        assert new is not old and promotion["to"] == new.name and promotion["lost"] == ""
        ledger.check(new)
        assert ledger.longest < 8, "writes went on in time"
        assert sluice.status()["outcomes_unknown"] <= len(ledger.in_doubt)

        old.start()
        # A commit that nobody had heard of may be in its binary log after recovery.
        if judged(sluice) == "quarantine":
            assert history(sluice, "quarantine")[0]["lost"]
            wait_until(lambda: writable(mortal) == [new], "it is fenced")
            rebuild(mortal, old)
        assert settled(mortal, sluice) is new
        mortal.wait_caught_up()
        ledger.check(old)


def rebuild(cluster, backend):
    """What an operator does with a quarantined backend, in short: a new data directory."""
    backend.kill9()
    shutil.rmtree(backend.data)
    backend.engine.copy_template(backend.data)
    backend.server_id += 100  # with the old one it would skip what its predecessor wrote
    backend.start(*backend.engine.role_options(replica=True))
    cluster.follow(backend)
    cluster.wait_caught_up()


def test_a_switchover_under_load_costs_no_client_an_error(mortal, tmp_path):
    with promoting(mortal, tmp_path) as sluice:
        wait_until(lambda: all(facts(sluice).get(f"privileges_{b.name}") == "sufficient" for b in mortal.backends),
                   f"the account may promote: {facts(sluice)}")  # fmt: skip
        first, target = mortal.primary, mortal.replicas[0]
        with Ledger(mortal, sluice) as ledger:
            plan = [row["plan"] for row in sluice.admin(f"SWITCHOVER TO {target.name}")]
            assert plan[0].startswith(f"switchover {first.name} -> {target.name}")
            row = done(sluice, "switchover")
            ledger.wait_more()
            assert settled(mortal, sluice) is target
        assert ledger.errors == []
        assert row["held_ms"] < 3000
        ledger.check(target)
        mortal.wait_caught_up()
        ledger.check(first)
        sluice.wait_serving(*(b.name for b in mortal.replicas))
        # And back, with a session whose transaction is open.
        with sluice.connect() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO ledger VALUES (-1)")
            sluice.admin(f"SWITCHOVER TO {first.name}")
            wait_until(lambda: "finish_transactions" in facts(sluice)["doing"], "the open transaction is waited for")
            cursor.execute("COMMIT")
            cursor.execute("SELECT COUNT(*) AS n FROM ledger WHERE id = -1")
            assert cursor.fetchall() == [{"n": 1}]
        wait_until(lambda: settled(mortal, sluice) is first, "it is the primary again", 20)


def test_a_paused_primary_that_wakes_up_takes_no_write(mortal, tmp_path):
    old = mortal.primary
    with promoting(mortal, tmp_path) as sluice:
        with Ledger(mortal, sluice) as ledger:
            try:
                old.pause()
                done(sluice, "promotion", 30)
                ledger.wait_more()
                new = wait_until(lambda: next((b for b in mortal.backends if b.name == sluice.primary()), None), "it")
            finally:
                old.cont()
            wait_until(lambda: writable(mortal) == [new], "the old primary is fenced", 20)
            ledger.wait_more()
        assert new is not old
        elect(mortal, new)
        ledger.check(new)
        if judged(sluice) == "quarantine":
            rebuild(mortal, old)
        assert settled(mortal, sluice) is new


def test_a_dry_run_tells_the_steps_and_does_nothing(mortal, tmp_path):
    with promoting(mortal, tmp_path) as sluice:
        primary = settled(mortal, sluice)
        plan = [row["plan"] for row in sluice.admin("FAILOVER PLAN")]
        assert plan[0].startswith(f"promotion {primary.name} -> ") and "now nothing" in plan[0]
        assert any("appoint" in line for line in plan)
        assert sluice.primary() == primary.name and history(sluice) == []
        with pytest.raises(pymysql.Error, match="is_primary_already"):
            sluice.admin(f"SWITCHOVER TO {primary.name}")


def test_a_replica_that_turns_writable_is_fenced(mortal, tmp_path):
    with promoting(mortal, tmp_path) as sluice:
        primary = settled(mortal, sluice)
        mortal.replicas[0].set_read_only(False)
        row = done(sluice, "fence")
        assert row["from"] == mortal.replicas[0].name
        assert settled(mortal, sluice) is primary


@pytest.mark.parametrize("step", ("fence", "appoint", "promote", "repoint"))
def test_sluice_killed_in_the_middle_of_a_switchover_leaves_one_writer(mortal, tmp_path, step):
    with promoting(mortal, tmp_path) as sluice:
        settled(mortal, sluice)
        target = mortal.replicas[0]
        with Ledger(mortal, sluice) as ledger:
            with contextlib.suppress(pymysql.Error):
                sluice.admin(f"SWITCHOVER TO {target.name}")
            wait_until(lambda: f": {step} " in sluice.log_text(), f"the step {step} begins", interval=0.001)
            sluice.kill9()
            assert len(writable(mortal)) <= 1
        sluice.wait_replicas = 0
        sluice.start()
        sluice.sql("INSERT INTO ledger VALUES (-2)")
        primary = settled(mortal, sluice)
        ledger.acknowledged.add(-2)
        ledger.check(primary)


def test_what_would_lose_acknowledged_writes_waits_for_the_operator(engine, tmp_path):
    with Cluster(engine, replicas=1) as cluster, promoting(cluster, tmp_path, hold="1s") as sluice:
        old, replica = cluster.primary, cluster.replicas[0]
        cluster.primary.run(["CREATE TABLE app.ledger (id BIGINT)"])
        cluster.wait_caught_up()
        replica.stop_io_thread()
        sluice.sql("INSERT INTO ledger VALUES (1)")
        old.kill9()
        wait_until(lambda: [r for r in history(sluice) if r["reason"] == "loss_not_allowed"], "it is refused", 20)
        assert history(sluice)[0]["lost"] and writable(cluster) == []
        with pytest.raises(pymysql.Error, match="failover.hold"):
            sluice.sql("INSERT INTO ledger VALUES (2)")

        # The operator allows it: what is lost is told, and the old primary is kept apart.
        sluice.stop()
        sluice.settings["failover"]["allow_loss"] = True
        sluice.wait_replicas = 0
        sluice.start()
        row = done(sluice, "promotion")
        assert row["lost"] and row["to"] == replica.name
        sluice.sql("INSERT INTO ledger VALUES (3)")
        old.start()
        kept_apart = done(sluice, "quarantine")
        assert kept_apart["from"] == old.name and kept_apart["lost"]
        assert writable(cluster) == [replica]
        assert "only there" in facts(sluice)[f"deposed_{old.name}"]
        assert [row["id"] for row in old.sql("SELECT id FROM app.ledger")] == [1]
        assert [row["id"] for row in replica.sql("SELECT id FROM app.ledger")] == [3]


def test_two_primaries_that_replicate_each_other_are_flipped_and_stay_a_pair(engine, tmp_path):
    with Cluster(engine, replicas=1) as cluster:
        first, second = cluster.backends
        first.run(first.engine.follow(second.port, *REPL, demote=True))
        wait_until(first.replicates, "they replicate each other")
        first.run(["CREATE TABLE app.ledger (id BIGINT)"])
        with promoting(cluster, tmp_path) as sluice:
            second.set_read_only(False)
            wait_until(lambda: sluice.admin("SHOW ALERTS"), "the second writer is seen")
            sluice.sql("INSERT INTO ledger VALUES (1)")
            cluster.wait_caught_up()
            assert history(sluice) == [], "a hot standby is nothing to be fenced"

            first.kill9()
            assert done(sluice, "flip")["to"] == second.name
            sluice.sql("INSERT INTO ledger VALUES (2)")
            first.start()
            wait_until(first.replicates, "it follows its partner again", 30)
            assert second.replica_status(), "and is followed"
            sluice.wait_serving(first.name, timeout=20)

            sluice.admin(f"SWITCHOVER TO {first.name}")
            done(sluice, "switchover")
            sluice.sql("INSERT INTO ledger VALUES (3)")
            assert sluice.primary() == first.name and writable(cluster) == [first]
            second.wait_applied(first.gtid())
            assert sorted(row["id"] for row in second.sql("SELECT id FROM app.ledger")) == [1, 2, 3]
