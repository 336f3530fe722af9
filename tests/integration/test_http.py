"""The HTTP port: metrics, health, and the admin port's views as JSON."""

import base64
import http.client
import json
import pathlib
import re
import socket
import subprocess
import time

import pytest

from process import free_port, private_directory, spawn, wait_until
from sluice import ADMIN, Sluice

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read().decode()

    def json(self):
        return json.loads(self.body)


def request(sluice, path, method="GET", body=None, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", sluice.http_port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def basic(user=ADMIN[0], password=ADMIN[1]):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def set_backend(sluice, name, state, why="", **fields):
    token = request(sluice, "/api/login", Authorization=basic()).json()["change_token"]
    headers = {"Authorization": basic(), "Content-Type": "application/json", "X-Sluice-Change": token}
    return request(
        sluice, f"/api/backends/{name}", "POST", json.dumps({"state": state, "why": why}), **headers | fields
    )


def samples(sluice):
    """The metrics as {'name{labels}': value}."""
    text = request(sluice, "/metrics").body
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def families(text):
    return re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)


def listed_in_readme():
    section = README.read_text().split("### Metrics", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([a-z_]+)", section, re.MULTILINE)


def total(values, name):
    return sum(value for key, value in values.items() if key == name or key.startswith(name + "{"))


def test_metrics_count_what_clients_do(sluice):
    before = samples(sluice)
    with sluice.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS app.http_counted (id INT PRIMARY KEY)")
        for _ in range(20):
            cursor.execute("SELECT 1")
        cursor.execute("SELECT * FROM app.http_counted FOR UPDATE")
    after = samples(sluice)

    def growth(name):
        return total(after, name) - total(before, name)

    assert growth("sluice_statements_total") >= 22
    assert growth("sluice_backend_reads_total") >= 20
    assert growth("sluice_backend_writes_total") >= 2
    assert growth("sluice_decisions_total") >= 22
    assert growth('sluice_decisions_total{reason="write"}') >= 2
    assert growth('sluice_statement_duration_seconds_count{class="read"}') >= 20
    assert growth('sluice_statement_duration_seconds_sum{class="read"}') > 0
    assert growth("sluice_backend_reply_seconds_count") >= 22
    assert growth("sluice_clients_accepted_total") == 1
    assert growth("sluice_backend_received_bytes_total") > 0
    assert after['sluice_backend_role{backend="db1",role="primary"}'] == 1
    assert after["process_resident_memory_bytes"] == pytest.approx(sluice.rss(), rel=0.5)


def test_metrics_are_as_prometheus_wants_them(sluice):
    text = request(sluice, "/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_readme_lists_every_metric(sluice):
    listed = listed_in_readme()
    assert len(listed) == len(set(listed)) > 40
    assert set(listed) == set(families(request(sluice, "/metrics").body))


def test_prometheus_scrapes_every_metric_that_the_readme_lists(cluster):
    with Sluice(cluster, http={"login_required": True, "token": "scrape me"}) as own:
        directory, port = private_directory(), free_port()
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 200ms}\n"
            "scrape_configs:\n"
            "  - job_name: sluice\n"
            '    authorization: {credentials: "scrape me"}\n'
            f"    static_configs: [{{targets: ['127.0.0.1:{own.http_port}']}}]\n"
        )
        prometheus = spawn(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}"], directory / "log",
        )  # fmt: skip

        def ask(path):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["data"]

        try:
            with own.connect() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")

            def seen():
                values = {r["metric"]["instance"]: r["value"][1] for r in ask("/api/v1/query?query=up")["result"]}
                return values.get(f"127.0.0.1:{own.http_port}") == "1"

            wait_until(seen, "Prometheus has scraped Sluice", 60)
            missing = set(listed_in_readme())
            assert len(missing) > 40

            def all_there():
                known = set(ask("/api/v1/label/__name__/values"))
                present = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known} | known
                return not missing - present

            wait_until(all_there, "Prometheus knows every metric of the README", 30)
            targets = ask("/api/v1/targets")["activeTargets"]
            assert [t["lastError"] for t in targets] == [""]
        finally:
            prometheus.kill()
            prometheus.wait(30)


def test_ten_scrapes_a_second_cost_less_than_a_hundredth_of_a_core(sluice):
    sessions = [sluice.connect() for _ in range(50)]
    try:
        connection = http.client.HTTPConnection("127.0.0.1", sluice.http_port, timeout=10)

        def spend(scrapes):
            began, wall = sluice.cpu_seconds(), time.monotonic()
            for _ in range(scrapes):
                connection.request("GET", "/metrics")
                assert len(connection.getresponse().read()) > 5000
            return sluice.cpu_seconds() - began, time.monotonic() - wall

        spend(20)
        used, wall = spend(500)
        connection.close()
        began = sluice.cpu_seconds()
        time.sleep(2)  # measures what idling costs, which is no part of a scrape
        idle = (sluice.cpu_seconds() - began) / 2
        cost = (used - idle * wall) / 500
        print(f"a scrape costs {cost * 1e6:.0f} µs of CPU with {len(sessions)} sessions")
        assert cost * 10 < 0.01
    finally:
        for session in sessions:
            session.close()


def test_views_show_what_the_admin_port_shows(sluice):
    volatile = {"in_flight", "links", "lag_ms", "gtid", "reads", "writes", "value", "count", "statements"}
    volatile |= {"at", "session", "backend", "reason", "class", "shared", "why_not", "avg_us", "avg_bytes", "mean_us", "p50_us", "p95_us", "p99_us", "connected_for_ms", "id", "client"}
    views = request(sluice, "/api").json()["views"]
    assert {"backends", "sessions", "status", "topology", "decisions", "latency", "alerts", "users"} <= set(views)
    for view in views:
        shown = sluice.admin("SHOW " + view.replace("/", " "))
        answered = request(sluice, "/api/" + view).json()

        def stable(rows):
            return [{k.lower(): v for k, v in row.items() if k.lower() not in volatile} for row in rows]

        if view == "variables":  # some speak of the admin client itself
            shown, answered = ([r for r in rows if "." in r["name"]] for rows in (shown, answered))
        assert stable(answered) == stable(shown), view
    assert [row["name"] for row in request(sluice, "/api/backends?like=r%25").json()] == [
        b.name for b in sluice.cluster.replicas if b.name.startswith("r")
    ]


def test_the_route_history_tells_where_the_last_statements_went(sluice):
    with sluice.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID() AS id")
        session = cursor.fetchone()["id"]
        for _ in range(10):
            cursor.execute("SELECT 1")
        cursor.execute("SELECT 1 FROM DUAL FOR UPDATE")
        rows = request(sluice, f"/api/route/history?session={session}").json()
        assert rows == sluice.admin(f"SHOW ROUTE HISTORY FOR SESSION {session}")
        assert len(rows) == 8
        newest = rows[0]
        assert (newest["session"], newest["user"], newest["class"]) == (session, "app", "write")
        assert (newest["backend"], newest["reason"]) == ("db1", "write")
        assert {(row["class"], row["reason"]) for row in rows[1:]} == {("read", "plain_read")}
        assert {row["backend"] for row in rows[1:]} <= {"db2", "db3"}
    unknown = request(sluice, "/api/route/history?session=99999999")
    assert (unknown.status, unknown.json()["error"][:16]) == (404, "Unknown session ")


def test_a_change_shows_up_in_show_backends(sluice):
    name = sluice.cluster.replicas[0].name
    try:
        assert set_backend(sluice, name, "drain", "new 'disk'").status == 200
        row = sluice.backends()[name]
        assert (row["state"], row["why"], row["by"]) == ("DRAIN", "new 'disk'", "admin@127.0.0.1")
        assert row["excluded"] == "draining"
        assert samples(sluice)[f'sluice_backend_admin_state{{backend="{name}",state="drain"}}'] == 1
    finally:
        assert set_backend(sluice, name, "online").status == 200
    assert sluice.backends()[name]["state"] == "ONLINE"


def test_a_foreign_page_changes_nothing(sluice):
    name = sluice.cluster.replicas[0].name
    for fields in (
        {"Authorization": ""},
        {"Authorization": basic(password="guess")},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Sluice-Change": "0" * 64},
        {"Content-Type": "text/plain"},
    ):
        assert set_backend(sluice, name, "offline", **fields).status in (401, 403, 415), fields
    assert sluice.backends()[name]["state"] == "ONLINE"
    assert "access-control-allow-origin" not in request(sluice, "/api/backends", Origin="http://evil.example").fields


def test_readiness_follows_who_serves(cluster):
    with Sluice(cluster, shutdown={"grace": "20s"}) as own:
        wait_until(lambda: request(own, "/readyz").status == 200, "the first round of probes is done")
        assert request(own, "/readyz").body == "primary db1 (sole_writable)\n"
        for backend in cluster.backends:
            own.admin(f"SET BACKEND {backend.name} OFFLINE")
        refused = request(own, "/readyz")
        assert refused.status == 503
        assert "db1: offline" in refused.body
        assert request(own, "/healthz").status == 200
        own.admin(f"SET BACKEND {cluster.replicas[0].name} ONLINE")
        wait_until(lambda: request(own, "/readyz").status == 200, "a replica is enough")

        own.admin("SET BACKEND db1 ONLINE")
        with own.connect() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            own._process.terminate()
            wait_until(lambda: request(own, "/readyz").body.startswith("draining"), "it says that it drains")
            assert request(own, "/readyz").status == 503
            cursor.execute("COMMIT")
        own._process.wait(30)
        assert own._process.returncode == 0


def test_a_required_login_guards_all_but_health_and_the_bare_page(cluster):
    with Sluice(cluster, http={"login_required": True, "token": "t0ken"}, admin={"readonly_password": "lookpw"}) as own:
        for path in ("/metrics", "/api", "/api/backends", "/api/overview", "/api/nothing"):
            assert request(own, path).status == 401, path
            assert request(own, path, Authorization="Bearer guess").status == 401, path
        for path in ("/", "/healthz", "/readyz"):
            assert request(own, path).status == 200, path
        for login in ("Bearer t0ken", basic(), basic("stats", "lookpw")):
            assert request(own, "/metrics", Authorization=login).status == 200
        log = own.log_text()
        assert "denied" in log
        for secret in ("guess", "t0ken", "lookpw", ADMIN[1]):
            assert secret not in log


def test_faults_are_named(sluice):
    assert request(sluice, "/nothing").status == 404
    posted = request(sluice, "/metrics", "POST", "x")
    assert (posted.status, posted.fields["allow"]) == (405, "GET, HEAD")
    assert request(sluice, "/api/backends/db1", "POST", "x" * 70_000).status == 413
    head = request(sluice, "/metrics", "HEAD")
    assert (head.status, head.body) == (200, "")
    assert int(head.fields["content-length"]) > 5000
    assert "did you mean" in set_backend(sluice, "db11", "drain").json()["error"]


def test_slow_and_silent_clients_do_not_disturb_others(sluice):
    silent = [socket.create_connection(("127.0.0.1", sluice.http_port)) for _ in range(90)]
    try:
        for connection in silent:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        assert request(sluice, "/healthz").status == 200
    finally:
        for connection in silent:
            connection.close()


def test_a_taken_port_is_told_at_the_start(cluster, sluice):
    with pytest.raises(RuntimeError, match="cannot bind 127.0.0.1:.*http.address.*Address already in use"):
        Sluice(cluster, http={"address": f"127.0.0.1:{sluice.http_port}"})
