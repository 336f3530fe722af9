/// Walks the tracker block that an OK packet carries under session_track.
///
///     SessionTrack walk(ok.session_state);
///     while (std::optional<TrackEntry> entry = walk.next()) …
///     if (!walk.ok()) … the block was cut or malformed
///
/// MariaDB puts several name/value pairs in one SYSTEM_VARIABLES entry; the
/// walk gives each pair as an entry of its own. Entries of unknown type are
/// given with `type` as sent and their data in `raw`.
///
/// Lifetime: views point into the block.
/// Source: MySQL client/server protocol, "Session State Information";
/// MariaDB knowledge base, "OK_Packet".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace sluice::protocol {

enum class TrackType : std::uint8_t {
  system_variables = 0,
  schema = 1,
  state_change = 2,
  gtids = 3,
  transaction_characteristics = 4,
  transaction_state = 5,
};

struct TrackEntry {
  TrackType type = TrackType::system_variables;
  std::string_view name;   ///< of a system variable; empty for other types
  std::string_view value;  ///< variable's value, schema, "1" or "0", GTIDs, characteristics as
                           ///< SQL, or the eight letters of the transaction state
  std::uint8_t gtid_encoding = 0;  ///< gtids only; 0 is text, the only one known
  Bytes raw;                       ///< this entry's data without type and length; for a variable
                                   ///< its pair alone
};

class SessionTrack {
 public:
  explicit SessionTrack(Bytes block) noexcept : block_(block), pairs_(Bytes{}) {}

  /// The next entry; nullopt at the end and after the first fault.
  [[nodiscard]] std::optional<TrackEntry> next() noexcept;
  /// False once the block turned out cut or malformed.
  [[nodiscard]] bool ok() const noexcept { return block_.ok() && pairs_.ok(); }

 private:
  Reader block_;
  Reader pairs_;  ///< what is left of a SYSTEM_VARIABLES entry
};

/// Appends one entry in the wire's form; for blocks of our own and for tests.
void append_track_entry(Buffer& out, const TrackEntry& entry);

/// Copies to `out` the entries of `block` for which `keep(const TrackEntry&)`
/// is true. Pairs of one SYSTEM_VARIABLES entry are judged one by one.
/// Errors: malformed; `out` is then as it was.
template <class Keep>
[[nodiscard]] Result<void> filter_session_track(Bytes block, Keep&& keep, Buffer& out) {
  const std::size_t begin = out.size();
  SessionTrack walk(block);
  while (const std::optional<TrackEntry> entry = walk.next())
    if (keep(*entry)) append_track_entry(out, *entry);
  if (walk.ok()) return {};
  out.resize(begin);
  return Errc::malformed;
}

}  // namespace sluice::protocol
