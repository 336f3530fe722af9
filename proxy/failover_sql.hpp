/// The words in which a failover speaks to MariaDB and MySQL. Pure.
///
/// Statements go out one by one; each is in the vocabulary of the version at hand.
/// Source: MySQL 9 manual, "SQL Statements for Controlling Replica Servers"; MariaDB
/// knowledge base, "CHANGE MASTER TO", "RESET SLAVE".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "proxy/probe.hpp"

namespace sluice::proxy {

using Statements = std::vector<std::string>;

/// A string literal; backslashes are taken as the server's default does.
[[nodiscard]] std::string sql_quote(std::string_view text);

[[nodiscard]] Statements read_only_statements(EngineVersion engine, bool on);
/// Of all channels that `observation` has.
[[nodiscard]] Statements receive_statements(const routing::Observation& observation, bool on);
/// Stops replication and forgets every source.
[[nodiscard]] Statements forget_source_statements(const routing::Observation& observation);

struct NewSource {
  std::string host;
  std::uint16_t port = 0;
  std::string user;  ///< empty: as it is configured already
  std::string password;
  bool tls = false;
};
/// Follows `source` alone, by GTID. `observation` is of the backend that is to follow.
[[nodiscard]] Statements follow_statements(const routing::Observation& observation,
                                           const NewSource& source);

/// A SELECT whose one cell tells whether `gtid` was applied within the time:
/// see `was_applied`.
[[nodiscard]] std::string wait_statement(routing::Flavour flavour, std::string_view gtid,
                                         std::chrono::milliseconds patience);
[[nodiscard]] bool was_applied(routing::Flavour flavour, std::string_view answer);

/// The columns of the replica status that tell what has been received.
[[nodiscard]] std::string received_of(const SqlTable& replica_status);

/// A SELECT of the account's global privileges, one in each row.
[[nodiscard]] std::string privileges_statement();
/// What of the needed ones is not among `granted`, in the engine's words.
[[nodiscard]] std::vector<std::string> missing_privileges(EngineVersion engine,
                                                          const std::vector<std::string>& granted);

}  // namespace sluice::proxy
