"""Other clients on the same Sluice, each in schemas of its own and in ever other states.

They play the generator's scripts, too, but nobody compares their answers. They
run in a process of their own that ends with the one which started it.
"""

import multiprocessing
import os
import threading
import time

from generator import generate
from script import play
from world import World

# Between two statements of one noise client: they are to disturb, not to take the processors.
PACE = 0.02


def _pause(_):
    time.sleep(PACE)


def _client(cluster, address, account, number, seed, stop):
    world = World(cluster, f"test_noise{number}")
    turn = 0
    while not stop.is_set():
        if turn % 5 == 0:
            try:
                world.reset()
            except Exception as error:  # the main side finds what is wrong; noise goes on
                print(f"noise {number}: {error}", flush=True)
        play(generate(cluster.engine.name, world.name, f"noise {seed} {number} {turn}", 40), address, account, _pause)
        turn += 1


def _run(cluster, address, account, clients, seed, parent):
    stop = threading.Event()
    threads = [
        threading.Thread(target=_client, args=(cluster, address, account, number, seed, stop), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    while os.getppid() == parent:
        stop.wait(0.5)
    os._exit(0)


class Noise:
    """`with Noise(cluster, address, account, clients, seed): …`"""

    def __init__(self, cluster, address, account, clients, seed):
        arguments = (cluster, address, account, clients, seed, os.getpid())
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=arguments, daemon=True)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()
