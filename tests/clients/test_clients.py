"""Real drivers do through the endpoint all that scenarios.tsv asks for."""

import programs
import pytest
from drivers import DRIVERS
from runs import LIMITS, SCENARIOS


def test_driver_keeps_every_scenario(runs, endpoint, driver, transport):
    faults = runs.faults(driver, transport)
    if faults:
        pytest.fail("\n".join([f"{driver}, {transport}, {endpoint.way} {endpoint.engine}:", *faults]), pytrace=False)


def test_limits_name_drivers_and_scenarios_that_exist():
    strangers = [limit for limit in LIMITS if limit[0] not in DRIVERS or limit[2] not in {*SCENARIOS, "*"}]
    assert strangers == []


def test_every_scenario_is_within_the_reach_of_most_drivers():
    everywhere = [(driver, scenario) for driver, when, scenario in LIMITS if not when]
    beyond = {name: sum(scenario == name for _, scenario in everywhere) for name in SCENARIOS}
    assert [name for name, count in beyond.items() if count >= len(DRIVERS) - 2] == []


def test_the_node_lock_file_names_no_place_to_download_from():
    assert "://" not in "".join(
        line for line in (programs.HERE / "node/package-lock.json").read_text().splitlines() if '"resolved"' in line
    )
