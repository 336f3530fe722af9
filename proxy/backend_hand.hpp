/// A failover's hand on one backend: statements and looks, each with a deadline.
///
/// Errors: as words, empty if all went well.
/// Thread: its owner's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "proxy/failover_sql.hpp"
#include "proxy/sql_client.hpp"

namespace sluice::proxy {

class BackendHand {
 public:
  using TimePoint = routing::TimePoint;

  explicit BackendHand(SqlTarget target) : target_(target), probe_(std::move(target)) {}

  /// One after the other; the first that fails ends it.
  [[nodiscard]] std::string run(const Statements& statements, TimePoint deadline);

  /// One statement that returns a table.
  [[nodiscard]] std::string ask(std::string_view statement, TimePoint deadline, SqlTable& table);

  /// How it is now; not alive, and why, if it does not answer.
  [[nodiscard]] routing::Observation look(TimePoint deadline) { return probe_.look(deadline); }

 private:
  [[nodiscard]] std::string connect(TimePoint deadline);

  SqlTarget target_;
  Probe probe_;
  std::unique_ptr<SqlClient> client_;
};

}  // namespace sluice::proxy
