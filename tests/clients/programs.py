"""Builds what the drivers need built: Node.js packages, the Go program, the Java classes.

Each lands in a directory of the cache that is named after its sources, made
beside its place and renamed into it, so that half of one is never used and a
second run, even in a new clone without network, finds the first one's. Run as
a program, it makes all of them.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice" / "clients"
JAR = "/usr/share/java/mariadb-java-client.jar"


def _run(command, place, **environment):
    done = subprocess.run(command, cwd=place, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _cached(name, sources, build):
    """The directory where build(directory), given copies of the sources there, has left its work."""
    digest = hashlib.sha256(b"".join((HERE / source).read_bytes() for source in sources)).hexdigest()[:12]
    place = CACHE / f"{name}-{digest}"
    if place.is_dir():
        return place
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            unfinished = CACHE / f"{name}.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for source in sources:
                shutil.copy(HERE / source, unfinished)
            build(unfinished)
            unfinished.rename(place)
    return place


def node_modules():
    """The directory for NODE_PATH. Packages come from wherever npm is configured to find them."""
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    sources = ["node/package.json", "node/package-lock.json"]
    return _cached("node", sources, lambda place: _run(install, place)) / "node_modules"


def go_program():
    """The program over Debian's copy of go-sql-driver."""
    build = ["go", "build", "-p", "1", "-o", "scenarios", "scenarios.go"]
    debian = {"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": ""}
    return _cached("go", ["go/scenarios.go"], lambda place: _run(build, place, **debian)) / "scenarios"


def java_classes():
    """The class path, Connector/J included."""
    build = ["javac", "-encoding", "UTF-8", "-cp", JAR, "Scenarios.java"]
    return f"{_cached('java', ['java/Scenarios.java'], lambda place: _run(build, place))}:{JAR}"


if __name__ == "__main__":
    for made in (node_modules(), go_program(), java_classes()):
        print(made)
