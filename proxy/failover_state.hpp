/// What must outlive the process for a failover to be resumed or stopped safely.
///
/// A small text file, replaced as a whole (written aside, fsync, rename, fsync of the
/// folder) before each irreversible step. Lines of tab-separated fields; a line that
/// is not understood is an error, for a guess might make a second writer.
///
/// Errors: load() and save() return words for the operator, empty if all went well.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/topology.hpp"

namespace sluice::proxy {

/// A former primary that has not come back into the cluster yet.
struct Deposed {
  std::string name;
  bool quarantined = false;
  std::string errant;  ///< GTIDs that only it has, where known
  friend bool operator==(const Deposed&, const Deposed&) = default;
};

/// A plan under way.
struct Goal {
  std::string kind;  ///< of routing::PlanKind
  std::string from;  ///< empty: nobody
  std::string to;
  std::string step;      ///< begun last
  bool decided = false;  ///< `to` is appointed: there is only forward
  friend bool operator==(const Goal&, const Goal&) = default;
};

/// The last look at a primary that was lost: what its successor is held against.
struct LastLook {
  std::string name;
  std::string flavour;
  std::string server_uuid;
  std::uint32_t server_id = 0;
  std::string gtid;     ///< with what clients were told since
  std::string written;  ///< MariaDB
  friend bool operator==(const LastLook&, const LastLook&) = default;
};

/// One plan that was carried out, or failed, or was refused.
struct HistoryRow {
  std::int64_t at_ms = 0;  ///< since 1970
  std::string kind;
  std::string from;
  std::string to;
  std::string result;  ///< done, failed, undone, refused
  std::string reason;  ///< of routing::PlanReason
  std::string by;      ///< an operator, or "sluice"
  std::int64_t took_ms = 0;
  std::int64_t held_ms = 0;  ///< how long writes had to wait
  std::string lost;          ///< GTIDs given up
  std::string text;          ///< the steps with their times, or what went wrong
  friend bool operator==(const HistoryRow&, const HistoryRow&) = default;
};

struct FailoverState {
  static constexpr std::size_t history_limit = 64;

  std::string appointed;
  std::vector<Deposed> deposed;
  std::optional<Goal> goal;
  std::optional<LastLook> last_look;
  std::vector<HistoryRow> history;  ///< oldest first

  [[nodiscard]] Deposed* find_deposed(std::string_view name);
  void remember(HistoryRow row);

  friend bool operator==(const FailoverState&, const FailoverState&) = default;
};

[[nodiscard]] std::string write_state(const FailoverState& state);
/// nullopt: it is not one of ours, or damaged.
[[nodiscard]] std::optional<FailoverState> read_state(std::string_view text);

/// No file is an empty state.
[[nodiscard]] std::string load_state(const std::filesystem::path& path, FailoverState& state);
[[nodiscard]] std::string save_state(const std::filesystem::path& path, const FailoverState& state);

}  // namespace sluice::proxy
