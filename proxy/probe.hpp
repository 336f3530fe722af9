/// One look at one backend: what it is, what it has executed, whom it follows.
///
/// A probe is one round trip: the variables, GTIDs first, and then the replica
/// status (so that the status may be newer than the GTIDs, never older). The first on
/// a connection also asks for the version, which decides the vocabulary. The
/// connection stays open between probes; if it turns out to be broken, the probe
/// is repeated once on a fresh one, as the death of a connection is not yet the
/// death of a backend.
///
/// Needs REPLICATION CLIENT (MySQL) or BINLOG MONITOR and REPLICA MONITOR
/// (MariaDB); without it, all but the replication sources is read.
/// Source: MySQL 9 manual, "SHOW REPLICA STATUS"; MariaDB knowledge base, same title.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sql_client.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// Which engine, and which vocabulary it knows.
struct EngineVersion {
  routing::Flavour flavour = routing::Flavour::mysql;
  unsigned number = 0;  ///< 101119 for 10.11.19; 0: not understood

  friend bool operator==(const EngineVersion&, const EngineVersion&) = default;
};

/// From `@@version` and `@@version_comment`. Either may betray a MariaDB.
[[nodiscard]] EngineVersion read_version(std::string_view version, std::string_view comment);

/// The statements of a probe: the variables, then the replica status.
[[nodiscard]] std::string probe_statements(EngineVersion engine);

/// The number of the collation that new sessions begin with.
[[nodiscard]] std::string collation_statement(EngineVersion engine);

/// Takes the row of variables into `observation`. False if a column that every
/// backend has is missing.
[[nodiscard]] bool read_variables(const SqlTable& table, EngineVersion engine,
                                  routing::Observation& observation);

/// One source per row of the replica status, whichever words the engine uses.
[[nodiscard]] std::vector<routing::ReplicationSource> read_sources(const SqlTable& table);

class Probe {
 public:
  explicit Probe(SqlTarget target) : target_(std::move(target)) {}

  /// Looks now; what cannot be seen by `deadline` is not alive. On the thread
  /// that owns the probe.
  [[nodiscard]] routing::Observation look(routing::TimePoint deadline);

  /// To poll for the backend's closing between probes; -1 if there is no connection.
  [[nodiscard]] int descriptor() const noexcept;

  /// Breaks the present connection, from any thread: a stuck look() returns.
  void interrupt() noexcept;

  /// The same, and connects no more.
  void stop() noexcept;

 private:
  [[nodiscard]] std::optional<SqlError> connect(routing::TimePoint deadline);
  [[nodiscard]] std::optional<SqlError> ask(routing::TimePoint deadline,
                                            routing::Observation& observation);
  void learn_collation(routing::TimePoint deadline);
  void disconnect() noexcept;

  SqlTarget target_;
  EngineVersion engine_;
  std::string statements_;
  std::string collation_;  // for which collation_id_ holds
  std::uint16_t collation_id_ = 0;

  std::mutex mutex_;  // guards the pointer, not the client: interrupt() comes from elsewhere
  std::unique_ptr<SqlClient> client_;
  bool stopped_ = false;
};

}  // namespace sluice::proxy
