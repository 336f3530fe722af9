#include "bench/load/options.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace sluice::load {

const char* const usage_text =
    R"(sluice_load: many connections on one thread, one statement, figures as JSON

  --address HOST:PORT | unix:PATH   (127.0.0.1:3306)
  --user NAME --password TEXT       (app, none; SLUICE_LOAD_PASSWORD in the environment too)
  --schema NAME                     (sbtest)
  --connections N                   (16)
  --seconds S --warmup S            (5, 0.5)
  --protocol text | prepared        (text: COM_QUERY, prepared: COM_STMT_EXECUTE)
  --rate N      open loop: N statements a second, latency counted from when each was due
                (0: closed loop, a connection sends when it has its reply)
  --sql TEXT    each ? is a random id  (SELECT c FROM sbtest1 WHERE id=?)
  --rows N      ids go from 1 to N     (10000)
  --slow-share X --slow-sql TEXT    this share of the statements is another, with a latency of
                its own (0, SELECT SLEEP(0.2))
  --idle N      so many more connections that log in and say nothing  (0)
  --tls         encrypted connections; nobody's certificate is checked
  --storm       connect, log in, one --sql, quit, and again, N at a time; the latency is of all that

"measuring" and "measured" on standard error frame the measured time.
Exit codes: 0 measured, 1 could not connect or lost all connections, 2 wrong usage.
)";

namespace {

double number(const std::string& name, const std::string& text, double lowest) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < lowest)
    throw UsageError(name + " takes a number from " + std::to_string(lowest) + ", not \"" + text +
                     "\"");
  return value;
}

std::chrono::milliseconds seconds(const std::string& name, const std::string& text) {
  return std::chrono::milliseconds(std::llround(number(name, text, 0) * 1000));
}

void set_address(Options& options, const std::string& text) {
  if (text.starts_with("unix:")) {
    options.unix_path = text.substr(5);
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw UsageError("--address takes HOST:PORT or unix:PATH");
  options.host = text.substr(0, colon);
  if (options.host.starts_with('[') && options.host.ends_with(']'))
    options.host = options.host.substr(1, options.host.size() - 2);
  options.port = text.substr(colon + 1);
}

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  if (const char* password = std::getenv("SLUICE_LOAD_PASSWORD")) options.password = password;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (name == "--storm" || name == "--tls") {
      (name == "--storm" ? options.storm : options.tls) = true;
      continue;
    }
    if (i + 1 == arguments.size()) throw UsageError(name + " lacks its value, or is unknown");
    const std::string& value = arguments[++i];
    if (name == "--address")
      set_address(options, value);
    else if (name == "--user")
      options.user = value;
    else if (name == "--password")
      options.password = value;
    else if (name == "--schema")
      options.schema = value;
    else if (name == "--connections")
      options.connections = static_cast<unsigned>(std::min(number(name, value, 1), 1e6));
    else if (name == "--seconds")
      options.measured = seconds(name, value);
    else if (name == "--warmup")
      options.warmup = seconds(name, value);
    else if (name == "--rate")
      options.rate = number(name, value, 0);
    else if (name == "--slow-share")
      options.slow_share = std::min(number(name, value, 0), 1.0);
    else if (name == "--slow-sql")
      options.slow_sql = value;
    else if (name == "--idle")
      options.idle = static_cast<unsigned>(std::min(number(name, value, 0), 1e6));
    else if (name == "--sql")
      options.sql = value;
    else if (name == "--rows")
      options.rows = static_cast<std::uint64_t>(number(name, value, 1));
    else if (name == "--protocol" && (value == "text" || value == "prepared"))
      options.protocol = value == "text" ? Protocol::text : Protocol::prepared;
    else
      throw UsageError("unknown: " + name + " " + value);
  }
  if (options.storm && (options.rate > 0 || options.tls || options.slow_share > 0 ||
                        options.protocol == Protocol::prepared))
    throw UsageError("--storm goes with neither --rate, --tls, --slow-share nor prepared");
  return options;
}

}  // namespace sluice::load
