/// Who is primary, who replicates from it, and who must not be asked: a snapshot.
///
/// Probes yield `Observation`s; `derive` turns the latest of each backend, its
/// health and the previous snapshot into the next `Topology`. Roles are
/// discovered, never configured. Then `LagState::measure` (lag.hpp) fills in the
/// lag, and the snapshot is published.
///
/// The primary (P5, at most one):
///  1. exactly one writable backend (`read_only` and `super_read_only` off, health
///     up): that one, unless the present primary is merely suspect and was last
///     seen writable: then wait until it is down or says that it is read-only;
///  2. none: the present primary keeps the role while it is suspect, else nobody;
///  3. several: the present primary if still writable; else the one that the others
///     replicate from; else nobody. In each case an alarm. The extra writer gets
///     no writes.
/// With a policy that appoints one (failover.mode "promote"), nobody else is ever
/// elected, and the appointed is as soon as it is up and writable.
/// Before there has ever been a primary, all backends must have been seen or given
/// up, lest the first probe to return decide which of two writers it is.
/// A foreign backend cannot inherit: one that was seen beside a live primary, not
/// replicating from it and sharing none of its past, is no candidate when that
/// primary dies, unless members of the cluster replicate from it.
///
/// A replica is a backend whose replication sources lead, link by link through
/// configured backends, to the primary (or, while there is none, to the last one:
/// reads go on). A source is recognised by its UUID (MySQL), else by host:port as
/// text, else by server id if exactly one backend has it. Whether it is read-only
/// does not matter: the standby of a master-master pair serves reads.
/// If replica status may not be read, or leads through a source that is not
/// configured, GTIDs decide: `read_only` on, a past shared with the primary, and
/// nothing executed from a source (MariaDB: domain) that the primary has not.
/// On MariaDB this is weak evidence (domain 0 is everywhere) and taken only when
/// the status is forbidden. Everything else is excluded from reads, with a reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/clock.hpp"
#include "routing/gtid.hpp"
#include "routing/health.hpp"

namespace sluice::routing {

enum class Role { unknown, primary, replica };
[[nodiscard]] std::string_view to_string(Role role) noexcept;

enum class AdminState {
  online,
  drain,    ///< no new work; what is under way ends in its own time
  offline,  ///< nothing at all
};
[[nodiscard]] std::string_view to_string(AdminState state) noexcept;

/// Why a backend may not serve a read. `none` means that it may.
enum class Exclusion {
  none,
  offline,          ///< by the operator
  draining,         ///< by the operator
  never_seen,       ///< no probe has been answered yet
  down,             ///< health
  suspect,          ///< health: others are preferred
  is_primary,       ///< not a replica; it is the fallback for every read
  second_writer,    ///< writable and not replicating from the primary (P5)
  not_replicating,  ///< no replication, or its SQL thread has stopped
  other_source,     ///< replicates from a backend that is not the primary
  wrong_cluster,    ///< has nothing to do with the primary
  lag_unknown,      ///< its lag cannot be known (P8)
  lagging,          ///< its lag is above the bound
  gtid_behind,      ///< it lacks a transaction that this read must see
};
[[nodiscard]] std::string_view to_string(Exclusion exclusion) noexcept;

/// Why the primary is who it is, or why there is none.
enum class PrimaryReason {
  nothing_seen,        ///< none: no backend has answered yet
  not_all_seen,        ///< none yet: just started, and a backend is neither seen nor given up
  sole_writable,       ///< the only writable backend
  still_writable,      ///< it was and is; extra writers may exist (see alarms)
  kept_while_suspect,  ///< it does not answer, but is not given up yet
  kept_fail_open,      ///< every backend looks dead at once: the probe is distrusted
  followed_by_others,  ///< of several writable ones, the one that is replicated from
  none_writable,       ///< none: every backend that answers is read-only
  ambiguous_writers,   ///< none: several are writable, and nothing tells which is right
  foreign_writer,      ///< none: the only writable backend belongs to another cluster
  not_appointed,       ///< none: who is writable is not the one that was elected
};
[[nodiscard]] std::string_view to_string(PrimaryReason reason) noexcept;

enum class AlarmKind {
  two_writers,    ///< a backend besides the primary is writable
  wrong_cluster,  ///< a backend has nothing to do with the primary
  fail_open,      ///< every backend looks dead at once
  no_primary,     ///< nobody takes writes
};
[[nodiscard]] std::string_view to_string(AlarmKind kind) noexcept;

struct Alarm {
  AlarmKind kind{};
  std::optional<std::size_t> backend;  ///< the culprit, where there is one
  friend bool operator==(const Alarm&, const Alarm&) = default;
};

/// One channel of a backend's replica status.
struct ReplicationSource {
  std::string channel;          ///< MySQL channel or MariaDB connection name; mostly empty
  std::string host;             ///< Source_Host / Master_Host
  std::uint16_t port = 0;       ///< Source_Port / Master_Port
  std::string uuid;             ///< Source_UUID; MySQL only, empty until it has connected
  std::uint32_t server_id = 0;  ///< Source_Server_Id / Master_Server_Id; 0 until it has connected
  bool io_running = false;      ///< "Yes"; "Connecting" is false
  bool sql_running = false;
  std::optional<std::uint64_t> seconds_behind;  ///< for display; nothing is decided by it
  std::string last_error;
};

/// What one probe of one backend saw. Only `started_at`, `finished_at`, `alive`
/// and `error` mean anything if it was not answered.
struct Observation {
  TimePoint started_at{};
  TimePoint finished_at{};
  bool alive = false;
  std::string error;  ///< why it is not alive

  Flavour flavour = Flavour::mysql;
  std::string version;          ///< `@@version` as it is
  unsigned version_number = 0;  ///< 101119 for 10.11.19, 90704 for 9.7.4
  std::string server_uuid;      ///< MySQL; MariaDB 10.11 has none
  std::uint32_t server_id = 0;
  bool read_only = true;           ///< P8: unread means read-only
  bool super_read_only = false;    ///< MySQL only
  bool autocommit = true;          ///< `@@global.autocommit`: what a session begins with
  std::uint16_t collation_id = 0;  ///< `@@global.collation_server`
  std::string charset;             ///< `@@global.character_set_server`

  /// MySQL: `gtid_executed`, and nullopt if `gtid_mode` is not ON. MariaDB:
  /// `gtid_current_pos` (a transaction is in `gtid_binlog_pos` before it can be
  /// seen, so that one would promise too much). nullopt: could not be read.
  std::optional<GtidSet> gtid;
  /// MariaDB, `gtid_binlog_state`: the last of each domain *and server* in its binary
  /// log. Positions alone hide a diverged past behind a higher number (errant.hpp).
  std::vector<GtidPosition> written;
  /// Others can replicate from it: binary log on, with what it replicates itself.
  bool feeds_others = false;

  bool replication_known = false;  ///< false: not permitted to read replica status
  std::vector<ReplicationSource> sources;

  [[nodiscard]] bool writable() const noexcept { return alive && !read_only && !super_read_only; }
};

/// What the operator said of a backend, and who, when and why.
struct Admin {
  AdminState state = AdminState::online;
  TimePoint since{};
  std::string by;
  std::string why;
};

/// All that `derive` is told of one backend.
struct BackendInput {
  std::string name;
  std::string address;  ///< "host:port", "[v6]:port" or "unix:/path", as configured
  unsigned weight = 1;
  Admin admin;
  HealthStatus health;
  std::optional<Observation> seen;  ///< the last probe that was answered
  std::string last_error;           ///< of the last probe, if it was not

  /// Takes the newest probe into account.
  void record(Observation observation);
};

/// Whether a backend belongs to the primary's cluster, as far as ever seen.
enum class Membership { unknown, member, foreign };
[[nodiscard]] std::string_view to_string(Membership membership) noexcept;

/// A backend in the snapshot.
struct BackendView {
  std::size_t id = 0;  ///< its index in the snapshot and in the configuration
  std::string name;
  std::string address;
  unsigned weight = 1;
  Admin admin;
  HealthStatus health;
  std::optional<Observation> seen;
  std::string last_error;

  Role role = Role::unknown;
  Membership membership = Membership::unknown;
  /// Why it cannot serve reads whatever their requirements, as far as roles and
  /// replication go; `verdict` (balancer.hpp) adds admin, health, lag and GTIDs.
  Exclusion standing = Exclusion::never_seen;
  bool health_distrusted = false;  ///< fail open: `down` and `suspect` do not exclude

  /// How old a plain read here may be, at most, at `lag_known_at`; nullopt: unknown.
  std::optional<milliseconds> lag;
  milliseconds lag_at_least{0};  ///< for display: behind by about this much or more
  TimePoint lag_known_at{};
  bool lag_frozen = false;   ///< the primary is down: nothing newer is to be had, lag does not age
  bool catching_up = false;  ///< it was above the bound and is not readmitted yet (lag.hpp)

  /// The lag at `now`: knowledge that ages counts against the bound (P8).
  [[nodiscard]] std::optional<milliseconds> lag_at(TimePoint now) const noexcept;
  /// What it has executed, as last seen; nullptr: unknown.
  [[nodiscard]] const GtidSet* gtid() const noexcept;
};

/// The primary's GTIDs. Whatever was committed before `read_at`, the start of the
/// probe that read them, is among them; some that came during the probe may be too.
struct PrimaryGtid {
  TimePoint read_at{};
  GtidSet gtid;
};

/// An immutable snapshot of the whole cluster.
struct Topology {
  TimePoint derived_at{};
  std::vector<BackendView> backends;
  std::optional<std::size_t> primary;
  PrimaryReason primary_reason = PrimaryReason::nothing_seen;
  /// Counts gains of the role: raised when a backend becomes primary that was not
  /// primary in the previous snapshot. Not raised by a loss.
  std::uint64_t epoch = 0;
  std::string last_primary;                 ///< name of the present or else the last primary
  std::optional<PrimaryGtid> primary_gtid;  ///< of the present or else the last primary
  bool fail_open = false;
  /// A switchover is under way: new writes and transactions wait, open ones go on.
  bool writes_held = false;
  std::vector<Alarm> alarms;

  /// nullptr if there is none.
  [[nodiscard]] const BackendView* primary_view() const noexcept;
  [[nodiscard]] const BackendView* find(std::string_view name) const noexcept;
  [[nodiscard]] bool has_alarm(AlarmKind kind) const noexcept;
};

struct TopologyPolicy {
  milliseconds fail_open_window = HealthPolicy{}.fail_open_window;
  std::string appointed;     ///< the only one that may be primary; empty: whoever is writable
  bool writes_held = false;  ///< for the snapshot
};

/// The next snapshot. Backends are matched with the previous snapshot by name and
/// address, so that a changed configuration may add, drop and reorder them. Lag
/// fields are left unknown.
[[nodiscard]] Topology derive(const Topology& previous, std::span<const BackendInput> inputs,
                              const TopologyPolicy& policy, TimePoint now);

}  // namespace sluice::routing
