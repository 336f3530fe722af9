"""What a read costs Sluice in system calls and allocations once it is warm, counted on a real server.

LIMITS are promises that only get stricter: lower them when the code gets better.
"""

import threading

import pytest

from counts import CountedProgram
from prepared import prepare
from sluice import Sluice

WARM, COUNTED = 300, 1000
# By statement. A lone client's costs the most epoll calls: nothing can be gathered.
LIMITS = {
    "accepted_reads": 1.02, "accepted_writes": 1.02, "made_reads": 1.02, "made_writes": 1.02,
    "epoll_changes": 2.1, "timer_sets": 0.25,
}  # fmt: skip
# A lone client has links of its own, and a coroutine for each step; it goes from one
# replica to the other, whose link is looked up in the pool.
ALLOCATIONS = {1: 5, 8: 0.05}


@pytest.fixture(scope="module")
def counted(cluster):
    """A program and the Sluice that runs it, with one worker."""
    program = CountedProgram()
    cluster.primary.run(["CREATE TABLE app.hot (id INT PRIMARY KEY, v INT)", "INSERT INTO app.hot VALUES (1, 1), (2, 2)"])
    cluster.wait_caught_up()
    with Sluice(cluster, program=program.program, process={"threads": 1}) as sluice:
        yield program, sluice
    cluster.primary.run(["DROP TABLE app.hot"])


def text(connection):
    cursor = connection.cursor()
    return lambda number: cursor.execute(f"SELECT v FROM hot WHERE id = {number % 2 + 1}")


def binary(connection):
    statement = prepare(connection, "SELECT v FROM hot WHERE id = ?")
    return lambda number: statement.execute(number % 2 + 1)


def costs(counted, protocol, clients):
    """Counts by statement of so many clients at once, all of them warm before it begins."""
    program, sluice = counted
    ready, over = threading.Barrier(clients + 1), threading.Barrier(clients + 1)
    failures = []

    def work():
        try:
            with sluice.connect() as connection:
                ask = protocol(connection)
                for number in range(WARM):
                    ask(number)
                ready.wait(60)
                ready.wait(60)
                for number in range(COUNTED):
                    ask(number)
                over.wait(60)
                over.wait(60)
        except Exception as error:
            failures.append(error)
            ready.abort()
            over.abort()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        ready.wait(60)
        before = program.read()
        ready.wait(60)
        over.wait(60)
        spent = program.since(before)
        over.wait(60)
    except threading.BrokenBarrierError:
        raise failures[0] from None
    finally:
        for thread in threads:
            thread.join(60)
    return {name: spent[name] / (clients * COUNTED) for name in spent}


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("protocol", [text, binary])
def test_a_warm_read_costs_no_more_than_promised(counted, protocol, clients):
    spent = costs(counted, protocol, clients)
    assert min(spent["accepted_reads"], spent["accepted_writes"]) > 0.98, "the counting itself is broken"
    limits = LIMITS | {"allocations": ALLOCATIONS[clients]}
    costly = {name: spent[name] for name, most in limits.items() if spent[name] > most}
    assert not costly, spent
