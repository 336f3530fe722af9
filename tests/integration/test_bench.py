"""./dev bench works from end to end, and its figures are honest. Speed itself is not judged here."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/compare"))

import figures  # noqa: E402
import workloads  # noqa: E402

SAMPLE = {"statements": 1000, "errors": 0, "per_second": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "database_cpu_us": 10.0}


def rounds(*speeds, **changes):
    return [SAMPLE | {"per_second": speed} | changes for speed in speeds]


@pytest.fixture(scope="module")
def report(engine, tmp_path_factory):
    """What one short round over all endpoints leaves in the file."""
    file = tmp_path_factory.mktemp("bench") / "report.json"
    done = subprocess.run(
        [
            sys.executable, "-B", ROOT / "bench/compare/run.py", "--engine", engine, "--rounds", "1", "--seconds", "1",
            "--threads", "2", "--workload", "point_select", "load", "--rows", "1000", "--json", file,
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


def test_measures_each_endpoint_with_each_workload(report):
    assert [case["workload"] for case in report["cases"]] == ["point_select", "load"]
    for case in report["cases"]:
        assert list(case["endpoints"]) == ["direct", "haproxy", "sluice"]
        for name, found in case["endpoints"].items():
            seen = found["median"]
            assert seen["statements"] > 0 and seen["errors"] == 0, (name, seen)
            assert 0 < seen["p50_ms"] <= seen["p99_ms"], (name, seen)
            assert seen["database_rss_mib"] > 0 and seen["generator_cpu_seconds"] >= 0, (name, seen)
            assert ("proxy_cpu_us" in seen) == (name != "direct"), (name, seen)
            assert set(found["ratio"]) == set(figures.RATIOS)
            assert len(found["rounds"]) == 1


def test_says_what_was_measured_and_where(report):
    about = report["about"]
    assert about["engine"] and about["cores"] >= 1 and about["rounds"] == 1 and about["rows"] == 1000


def test_takes_ratios_round_by_round():
    found = figures.ratio("per_second", rounds(80, 45, 66), rounds(100, 50, 75), max_spread=0.25)
    assert (found["median"], found["min"], found["max"]) == (0.88, 0.8, 0.9)


def test_refuses_a_ratio_when_the_rounds_disagree():
    found = figures.ratio("per_second", rounds(80, 120, 100), rounds(100, 100, 100), max_spread=0.25)
    assert found["median"] is None and "0.80 to 1.20" in found["refused"]


def test_refuses_a_ratio_of_runs_that_failed():
    failing = rounds(1000, errors=900, first_error="1040 Too many connections")
    found = figures.ratio("per_second", failing, rounds(100), max_spread=0.25)
    assert found["median"] is None and "1040" in found["refused"]


def test_shows_the_failure_of_one_endpoint_beside_the_figures_of_the_others():
    direct = rounds(100)
    text = figures.table("load", {"direct": figures.conclude(direct, direct, 0.25), "sluice": "connect:\nrefused"})
    assert "100" in text.splitlines()[1] and text.splitlines()[2] == "sluice failed: connect: refused"


def test_reads_percentiles_from_sysbenchs_histogram():
    output = """
       value  ------------- distribution ------------- count
       0.100 |*************                            50
       0.200 |**********                               48
       9.500 |*                                        2
    queries performed:
        total:                           100
    transactions:                        100    (99.00 per sec.)
    queries:                             100    (99.00 per sec.)
    ignored errors:                      0      (0.00 per sec.)
    reconnects:                          0      (0.00 per sec.)
    total time:                          2.0000s
         avg:                                    0.12
         max:                                    9.60
"""
    sample = workloads.parse_sysbench(output)
    assert (sample["p50_ms"], sample["p95_ms"], sample["p99_ms"]) == (0.1, 0.2, 9.5)
    assert (sample["statements"], sample["per_second"]) == (100, 50.0)
