"""./dev bench works from end to end, and its figures are honest. Speed itself is not judged here."""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/compare"))

import figures  # noqa: E402
import plot  # noqa: E402
import run  # noqa: E402
import sysbench  # noqa: E402
from figures import Goal  # noqa: E402

SAMPLE = {"statements": 1000, "errors": 0, "per_second": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "database_cpu_us": 10.0}


def rounds(*speeds, **changes):
    return [SAMPLE | {"per_second": speed} | changes for speed in speeds]


def results(**samples):
    base = next(iter(samples.values()))
    return {name: figures.conclude(found, base, 0.25) for name, found in samples.items()}


def bench(engine, folder, *arguments):
    """What one short round leaves: the JSON and the page."""
    file, page = folder / "report.json", folder / "report.html"
    scenario = [a for a in arguments[:1] if a in run.SCENARIOS]
    done = subprocess.run(
        [
            sys.executable, "-B", ROOT / "bench/compare/run.py", *scenario, *arguments[len(scenario):], "--engine", engine,
            "--rounds", "1", "--seconds", "1", "--cold", "--rows", "1000", "--json", file, "--html", page,
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text()), page.read_text(), done.stdout


@pytest.fixture(scope="module")
def compared(engine, tmp_path_factory):
    return bench(engine, tmp_path_factory.mktemp("bench"), "--threads", "2", "--workload", "point_select", "load")


def test_measures_each_endpoint_with_each_workload(compared):
    report = compared[0]
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


def test_says_what_was_measured_and_where(compared):
    about = compared[0]["about"]
    assert about["engine"] and about["cores"] >= 1 and about["rounds"] == 1 and about["rows"] == 1000


def test_draws_a_page_that_needs_nothing_from_elsewhere(compared):
    page = compared[1]
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert drawings
    for drawing in drawings:
        assert len(list(xml.fromstring(drawing).iter("rect"))) > 1
    assert not re.search(r"(src|href)=|url\(|@import", page)


def test_counts_storms_and_slow_statements(engine, tmp_path):
    storm, _, _ = bench(engine, tmp_path, "storm", "direct", "sluice", "--clients", "4")
    for name, found in storm["cases"][0]["endpoints"].items():
        assert found["median"]["statements"] > 10 and found["median"]["errors"] == 0, (name, found)
    mixed, _, words = bench(engine, tmp_path, "mixed", "sluice", "--clients", "16", "--rate", "200", "--share", "0.05")
    seen = mixed["cases"][0]["endpoints"]["sluice"]["median"]
    assert seen["slow_p50_ms"] >= 200 > seen["p50_ms"] and seen["errors"] == 0
    assert "p99 of the fast ones × without slow ones ≤ 1.3" in words


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


def test_judges_a_goal_by_the_rounds_that_it_is_about():
    found = results(direct=rounds(100, 100, 100), haproxy=rounds(50, 50, 50), sluice=rounds(150, 160, 155))
    judged = Goal("throughput", "per_second", at_least=1.5, against="direct").judge(found, 0.25)
    assert judged["met"] and judged["found"]["median"] == 1.55
    assert "met" in figures.goal_words(judged) and "≥ 1.5: 1.55 (1.50–1.60)" in figures.goal_words(judged)
    assert not Goal("throughput", "per_second", at_least=4, against="haproxy").judge(found, 0.25)["met"]
    assert Goal("speed", "per_second", at_most=155).judge(found, 0.25)["met"]


def test_judges_what_is_added_to_a_third():
    found = results(direct=rounds(1, p50_ms=1.0), haproxy=rounds(1, p50_ms=1.5), sluice=rounds(1, p50_ms=1.4))
    judged = Goal("added", "p50_ms", at_most=1.0, against="haproxy", over="direct").judge(found, 0.25)
    assert judged["met"] and judged["found"]["median"] == 0.8


def test_leaves_a_goal_open_when_the_rounds_disagree_and_out_when_nobody_was_asked():
    found = results(direct=rounds(100, 100), sluice=rounds(90, 250))
    judged = Goal("throughput", "per_second", at_least=1.5, against="direct").judge(found, 0.25)
    assert judged["met"] is None and "refused, rounds disagree" in figures.goal_words(judged)
    assert Goal("throughput", "per_second", at_least=1.5, against="haproxy").judge(found, 0.25) is None
    assert Goal("links", "links", at_most=32).judge(found, 0.25)["found"]["refused"] == "not measured"


def test_shows_the_failure_of_one_endpoint_beside_the_figures_of_the_others():
    text = figures.table("load", results(direct=rounds(100)) | {"sluice": "connect:\nrefused"})
    assert "100" in text.splitlines()[1] and text.splitlines()[2] == "sluice failed: connect: refused"


def test_shows_the_ratio_of_what_is_compared():
    text = figures.table("load", results(direct=rounds(100), other=rounds(100, p99_ms=3.0)), compared="p99_ms")
    heading, _, other = text.splitlines()
    assert heading.index("p99 ms") < heading.index("× direct") and "1.50 (1.50–1.50)" in other


def test_draws_latency_by_percentile_from_an_open_loop():
    names = ["direct"]
    curve = {"direct": [(50, 0.1), (90, 0.2), (99, 0.5), (99.9, 5.0)]}
    drawing = xml.fromstring(plot.percentiles("latency", curve, names, {"direct": "#000"}))
    points = [tuple(map(float, p.split(","))) for p in next(drawing.iter("polyline")).get("points").split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


@pytest.mark.parametrize("name", run.SCENARIOS)
def test_every_scenario_takes_its_own_options_and_says_what_it_is(name, capsys):
    options = run.arguments([name, "direct", "--rounds", "7"])
    assert options.rounds == 7 and options.order == ["direct"]
    with pytest.raises(SystemExit):
        run.arguments([name, "--help"])
    said = capsys.readouterr().out
    assert options.play.__doc__.splitlines()[0] in said


def test_takes_lists_of_numbers_in_either_form():
    assert run.arguments(["one-core", "--clients", "64,256", "1000"]).clients == [64, 256, 1000]


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
    sample = sysbench.parse(output)
    assert (sample["p50_ms"], sample["p95_ms"], sample["p99_ms"]) == (0.1, 0.2, 9.5)
    assert (sample["statements"], sample["per_second"]) == (100, 50.0)
