/// The command line.
///
/// Exit codes: 0 stopped in order, or the configuration is sound (--check);
/// 1 could not start; 2 the command line or the configuration is wrong.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "proxy/app.hpp"
#include "proxy/log.hpp"
#include "proxy/startup_error.hpp"
#include "proxy/version.hpp"

namespace {

constexpr int exit_ok = 0;
constexpr int exit_cannot_start = 1;
constexpr int exit_usage = 2;

constexpr std::string_view usage =
    "Usage: sluice --config FILE           run\n"
    "       sluice --check --config FILE   check the configuration and exit\n"
    "       sluice --version | --help\n"
    "\n"
    "A read/write-splitting proxy for MySQL and MariaDB.\n"
    "\n"
    "Exit codes: 0 stopped in order, or the configuration is sound;\n"
    "            1 could not start; 2 the command line or the configuration is wrong.\n"
    "Signals:    SIGTERM and SIGINT drain and stop; a second one stops at once.\n";

int complain(std::string_view what) {
  fmt::print(stderr, "sluice: {}\n\n{}", what, usage);
  return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sluice;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  std::string_view file;
  bool check = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", usage);
      return exit_ok;
    }
    if (argument == "--version" || argument == "-V") {
      fmt::print("sluice {}\n", proxy::version);
      return exit_ok;
    }
    if (argument == "--check") {
      check = true;
    } else if (argument.starts_with("--config=")) {
      file = argument.substr(std::string_view("--config=").size());
    } else if (argument == "--config" || argument == "-c") {
      if (++i == arguments.size()) return complain("--config needs a file");
      file = arguments[i];
    } else {
      return complain(fmt::format("unknown argument '{}'", argument));
    }
  }
  if (file.empty()) return complain("--config FILE is missing");

  config::Loaded loaded = config::load_file(std::string(file));
  for (const config::Problem& problem : loaded.problems)
    fmt::print(stderr, "{}\n", config::to_string(problem));
  if (!loaded.ok()) return exit_usage;
  if (check) {
    fmt::print("{}: the configuration is sound\n", file);
    return exit_ok;
  }
  proxy::log::configure(loaded.settings.log.level, loaded.settings.log.format);
  try {
    proxy::App app(std::move(loaded.settings));
    app.run();
  } catch (const proxy::StartupError& error) {
    proxy::log::error("start", "{}", error.what());
    return exit_cannot_start;
  }
  return exit_ok;
}
