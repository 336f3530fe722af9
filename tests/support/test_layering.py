"""The rules that layering.py and coroutines.py keep, each with what breaks it."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from coroutines import await_breaches  # noqa: E402
from layering import cmake_breaches, source_breaches  # noqa: E402

PLAIN = """
co_await f();
co_await timer_.async_wait(use_result);
x = co_await f();
const auto x = co_await pool->obtain(std::move(request));
auto [error, size] = co_await socket.async_read_some(buffer(a, b - c), use_result);
co_return co_await f();
if (ready) co_await f();
if (ready && !(a == b)) co_return co_await f(x == y ? 1 : 2);
if (const error_code error = co_await f(); error) co_return;
if (x) { co_await f(); } else co_await g();
while (waiting_) co_await event_.wait();
for (const auto& one : all) co_await one->stop();
do co_await f(); while (more);
case Command::ping: co_return co_await f();
case Command::quit: co_await f();
default: co_await f();
co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(keep, use_task);
// if (co_await f())
log("if (co_await f())"); /* !co_await f() */
""".strip().splitlines()

MISCOMPILED = """
if (co_await f()) g();
if (!co_await f()) g();
if (! co_await f()) g();
if ((co_await f())) g();
if (const auto x = co_await f()) g();
if (ready && co_await f()) g();
if (co_await f() == x) g();
if (x == co_await f()) g();
while (co_await f()) g();
while (co_await stream.fill() != 0) g();
do g(); while (co_await f());
for (; co_await f();) g();
for (auto x : co_await f()) g();
switch (co_await f()) {}
const bool same = co_await f() == x;
const bool same = x != co_await f();
const bool both = a && co_await f();
const bool both = co_await f() && a;
const bool either = co_await f() || a;
const int sum = co_await f() + 1;
sum += co_await f();
x = co_await f() ? 1 : 2;
x = ready ? co_await f() : g();
x = ready ? g() : co_await f();
ready ? g() : co_await f();
g(co_await f());
g(a, co_await f());
(co_await f()).value();
auto x = (co_await f());
int x{co_await f()};
int x(co_await f());
co_return !co_await f();
co_return co_await f() == x;
co_return (co_await f()).ok();
auto x = static_cast<int>(co_await f());
co_await f(Request{1, 2});
co_await f({.a = x});
x = co_await f(a, {b});
co_await f([x] { return x; });
""".strip().splitlines()


class CoAwait(unittest.TestCase):
    def test_stands_alone_or_gives_its_result_a_name(self):
        for line in PLAIN:
            with self.subTest(line):
                self.assertEqual(list(await_breaches(f"Task<> t() {{\n  {line}\n}}\n")), [])

    def test_is_refused_wherever_gcc_miscompiles_it(self):
        for line in MISCOMPILED:
            with self.subTest(line):
                self.assertEqual([number for number, _ in await_breaches(f"Task<> t() {{\n  {line}\n}}\n")], [2])

    def test_is_found_across_lines(self):
        found = list(await_breaches("if (a &&\n    co_await f(\n        x)) {\n}\nx = y == 10'000 &&\n    co_await f();\n"))
        self.assertEqual([number for number, _ in found], [2, 6])


class Includes(unittest.TestCase):
    def faults(self, path, line):
        return len(list(source_breaches(pathlib.PurePosixPath(path), line)))

    def test_point_downwards(self):
        self.assertEqual(self.faults("proxy/a.cpp", '#include "routing/router.hpp"'), 0)
        self.assertEqual(self.faults("routing/a.cpp", '#include "proxy/worker.hpp"'), 1)
        self.assertEqual(self.faults("protocol/a.cpp", '#include "config/settings.hpp"'), 1)
        self.assertEqual(self.faults("proxy/a.cpp", '#include "worker.hpp"'), 1)

    def test_keep_libraries_in_their_places(self):
        self.assertEqual(self.faults("routing/a.cpp", "#include <boost/asio.hpp>"), 1)
        self.assertEqual(self.faults("config/load.cpp", "#include <toml++/toml.h>"), 0)
        self.assertEqual(self.faults("config/validate.cpp", "#include <toml++/toml.h>"), 1)
        self.assertEqual(self.faults("proxy/sql_client.cpp", "#include <mysql.h>"), 0)
        self.assertEqual(self.faults("proxy/monitor.cpp", "#include <mysql.h>"), 1)
        self.assertEqual(self.faults("protocol/a.cpp", "#include <thread>"), 1)

    def test_are_of_files_that_cmake_lists(self):
        self.assertEqual(list(cmake_breaches("add_library(protocol bytes.cpp)\n")), [])
        self.assertEqual([number for number, _ in cmake_breaches("\nfile(GLOB sources *.cpp)\n")], [2])


if __name__ == "__main__":
    unittest.main()
