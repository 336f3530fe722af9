"""Checks the arrows of the house: who may include what; and where co_await may stand.

protocol and config know nobody; routing knows both; proxy knows all. Asio and
TLS stay out of the pure folders, toml++ stays in config/load.cpp, the client
library in proxy/sql_client.cpp, tests and bench. CMake lists its files.
co_await stands where GCC 12 compiles it rightly: see coroutines.py.
Prints every breach as file:line: and exits 1 if there is any.
"""

import pathlib
import re
import sys

sys.dont_write_bytecode = True

from coroutines import await_breaches  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("protocol", "routing", "config", "proxy", "tests", "bench")
MAY_INCLUDE = {
    "protocol": {"protocol"},
    "config": {"config"},
    "routing": {"routing", "protocol", "config"},
    "proxy": {"proxy", "routing", "protocol", "config"},
    "tests": set(FOLDERS),
    "bench": set(FOLDERS),
}
# (what must not be included, in which folders, but for which files, why)
FORBIDDEN = (
    (re.compile(r"boost/asio|boost/beast"), ("protocol", "routing", "config"), (), "no sockets in pure code"),
    (re.compile(r"openssl/ssl\.h"), ("protocol", "routing", "config"), (), "TLS is I/O, proxy's alone"),
    (re.compile(r"fmt/"), ("protocol", "routing"), (), "fmt belongs to config and proxy"),
    (re.compile(r"toml\+\+|toml\.hpp"), FOLDERS, ("config/load.cpp",), "TOML is read in config/load.cpp alone"),
    (
        re.compile(r"(^|/)(mysql|mysqld_error|errmsg)\.h$"),
        ("protocol", "routing", "config", "proxy"),
        ("proxy/sql_client.cpp",),
        "the blocking client library stays in proxy/sql_client.cpp",
    ),
    (
        re.compile(r"^(thread|mutex|condition_variable|future|fstream|random|regex)$"),
        ("protocol", "routing"),
        (),
        "pure code has no threads, files, randomness or regular expressions",
    ),
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
GLOB = re.compile(r"^\s*(file\s*\(\s*GLOB|aux_source_directory)", re.IGNORECASE)


def source_breaches(path, text):
    """Every forbidden #include and co_await of one file, as (line number, words)."""
    name = path.as_posix()
    folder = path.parts[0]
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(2)
        owner = target.split("/")[0]
        if match.group(1) == '"':
            if owner not in FOLDERS or "/" not in target:
                yield number, f'"{target}": include from the root, as in "protocol/packet.hpp"'
            elif owner not in MAY_INCLUDE[folder]:
                yield number, f'"{target}": {folder} must not know {owner}'
        for pattern, folders, exempt, why in FORBIDDEN:
            if pattern.search(target) and folder in folders and name not in exempt:
                yield number, f"<{target}>: {why}"
    yield from await_breaches(text)


def cmake_breaches(text):
    for number, line in enumerate(text.splitlines(), 1):
        if GLOB.match(line):
            yield number, "list the files, do not glob them"


def breaches(root):
    """All breaches below a root, as printable lines; the files seen, as a count."""
    found = []
    seen = 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if "node_modules" in path.parts:
                continue
            relative = path.relative_to(root)
            if path.suffix in (".cpp", ".hpp"):
                check = lambda text: source_breaches(relative, text)
            elif path.name == "CMakeLists.txt" or path.suffix == ".cmake":
                check = cmake_breaches
            else:
                continue
            seen += 1
            found += [f"{relative}:{line}: {words}" for line, words in check(path.read_text())]
    found += [f"CMakeLists.txt:{line}: {words}" for line, words in cmake_breaches((root / "CMakeLists.txt").read_text())]
    return found, seen


def main():
    found, seen = breaches(ROOT)
    if seen == 0:
        found = [f"no sources below {ROOT}"]
    print("\n".join(found) or f"layering: {seen} files, all arrows point downwards, all awaits are plain")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
