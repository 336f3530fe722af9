"""Kills links and replicas while a script runs, at steps that the seed decides.

A link dies by KILL on its backend. A replica dies by SIGKILL and is started
again a few steps later; the other one goes on.
"""

import random
import zlib

from cluster import APP
from process import wait_until

LINK_PROBABILITY = 0.03
REPLICA_PROBABILITY = 0.002
STEPS_DEAD = 20


class Killer:
    """disturb(script) is what Duel calls; links and replicas count what was killed."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._dead = None
        self.links = self.replicas = 0

    def disturb(self, script):
        luck = random.Random(zlib.crc32(script.text().encode()))
        self._revive()
        started = []

        def before_step(number):
            if self._dead and number - started[-1] >= STEPS_DEAD:
                self._revive()
            if luck.random() < LINK_PROBABILITY:
                self._kill_link(luck)
            if not self._dead and luck.random() < REPLICA_PROBABILITY:
                self._dead = luck.choice(self._cluster.replicas)
                self._dead.kill9()
                self.replicas += 1
                started.append(number)

        return before_step

    def _kill_link(self, luck):
        backend = luck.choice([backend for backend in self._cluster.backends if backend.alive()])
        threads = backend.sql(f"SELECT id FROM information_schema.processlist WHERE user = '{APP[0]}'")
        if threads:
            victim = luck.choice(threads)
            try:
                backend.sql(f"KILL {list(victim.values())[0]}")
                self.links += 1
            except Exception:  # it has gone by itself
                pass

    def _revive(self):
        if self._dead:
            replica, self._dead = self._dead, None
            replica.start()
            wait_until(replica.replicates, f"{replica.name} replicates again", 30)
