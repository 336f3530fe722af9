/// What the command line of sluice_load says.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::load {

enum class Protocol : std::uint8_t { text, prepared };

struct Options {
  std::string host = "127.0.0.1";
  std::string port = "3306";
  std::string unix_path;  ///< if not empty, instead of host and port
  std::string user = "app";
  std::string password;
  std::string schema = "sbtest";
  unsigned connections = 16;
  std::chrono::milliseconds measured{5000};
  std::chrono::milliseconds warmup{500};
  Protocol protocol = Protocol::text;
  /// Statements a second over all connections, sent when they are due whatever
  /// the replies do (open loop); 0: each connection sends when it has its reply.
  double rate = 0;
  /// Each `?` becomes a uniformly random integer from 1 to `rows`.
  std::string sql = "SELECT c FROM sbtest1 WHERE id=?";
  /// This share of the statements, from 0 to 1, is `slow_sql` instead. Their
  /// latencies are counted apart.
  double slow_share = 0;
  std::string slow_sql = "SELECT SLEEP(0.2)";
  /// More connections, which log in and say nothing.
  unsigned idle = 0;
  bool tls = false;  ///< required; certificates are not checked
  /// Connect, log in, run `sql` once, quit, and again; `connections` at a time.
  bool storm = false;
  std::uint64_t rows = 10'000;
  bool help = false;
};

/// The operator erred; `what()` says how, for people.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

extern const char* const usage_text;

/// Throws UsageError.
[[nodiscard]] Options parse_options(const std::vector<std::string>& arguments);

}  // namespace sluice::load
