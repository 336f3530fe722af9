"""Plays a case in rounds, A B C A B C, and concludes."""

import contextlib
import dataclasses

import figures
from generator import RunFailed
from stage import say


@dataclasses.dataclass
class Case:
    """One line of questions to all endpoints.

    run(endpoint): a sample (see generator.py), or RunFailed.
    key: what tells this case from the others of its scenario, for the JSON and the plot.
    warm(endpoint): done once before the first round, not counted; None: nothing.
    """

    title: str
    run: callable
    key: dict
    columns: tuple = figures.USUAL
    compared: str = "per_second"
    goals: tuple = ()
    warm: callable = None


def play(case, endpoints, rounds, max_spread):
    """{endpoint: conclusion or the words of its failure}"""
    if case.warm:
        for endpoint in endpoints.values():
            with contextlib.suppress(RunFailed):  # the measured run will say so
                case.warm(endpoint)
    samples = {name: [] for name in endpoints}
    for number in range(rounds):
        for name, endpoint in endpoints.items():
            if isinstance(samples[name], str):
                continue
            try:
                sample = case.run(endpoint)
                samples[name].append(sample)
                outcome = f"{case.compared} {sample.get(case.compared, float('nan')):,.3g}"
            except RunFailed as error:
                samples[name] = str(error) or "failed"
                outcome = f"failed: {error}"
            say(f"{case.title}, round {number + 1}/{rounds}, {name}: {outcome}")
    base = next(iter(samples.values()))
    return {
        name: found if isinstance(found, str)
        else figures.conclude(found, [] if isinstance(base, str) else base, max_spread)
        for name, found in samples.items()
    }  # fmt: skip
