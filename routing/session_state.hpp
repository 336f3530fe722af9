/// What a session has asked of its connection, and what a link carries: the same
/// value on both sides, so that the difference between them can be sent.
///
/// `StateVector` holds the schema and the system variables that differ from a
/// fresh login, in the text that the server's session tracker gave. A session
/// has the vector it wants, a link the image of what it has; a statement runs on
/// a link only when both are equal (P3). `Pins` are the causes for which a
/// session must stay on its link, because they cannot be replayed.
///
/// Source: MySQL manual, "Server Tracking of Client Session State"; MariaDB
/// knowledge base, "session_track_system_variables".
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/statement.hpp"

namespace sluice::routing {

class StateVector {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;  // sorted by name

  /// The value of a variable that has changed, but nobody said to what: the trackers
  /// tell the character set of SET NAMES, and leave its collation out. It equals
  /// itself, which is right on the one link that has it; ask that link before the
  /// session leaves it.
  static constexpr std::string_view unknown = "?";

  /// Beside the system variables: the collation that came with character_set_results
  /// when SET NAMES or the login set it, which only the metadata of results shows. Empty
  /// if the character set was set alone, and brought its default collation.
  static constexpr std::string_view results_collation = "results_collation";

  std::string schema;  ///< empty: none selected

  // Names are taken in any case and kept in lower case.
  void set(std::string_view variable, std::string_view value);
  [[nodiscard]] const std::string* find(std::string_view variable) const noexcept;
  void erase(std::string_view variable);
  /// character_set_results was set alone, not by SET NAMES.
  void forget_names();
  /// The names of the variables whose value is `unknown`.
  [[nodiscard]] std::vector<std::string> unknowns() const;
  [[nodiscard]] bool has_unknowns() const noexcept;
  [[nodiscard]] const Variables& variables() const noexcept { return variables_; }
  void clear() {
    schema.clear();
    variables_.clear();
  }

  friend bool operator==(const StateVector&, const StateVector&) = default;

 private:
  Variables variables_;
};

/// How a system variable that a tracker reported is to be treated.
enum class VariableKind : std::uint8_t {
  replayable,  ///< SET on another link gives the same
  ignored,     ///< ours, or a fact rather than a setting (last_gtid)
  one_shot,    ///< meant for the next statement alone, or bound to this link: pins
};
[[nodiscard]] VariableKind kind_of_variable(std::string_view name) noexcept;

/// The collation that changes with this character set; empty for other variables.
[[nodiscard]] std::string_view collation_decided_by(std::string_view charset_variable) noexcept;

/// Adds what follows from the variables that one OK packet told of, beside their values.
void add_consequences(StateVector& told);

/// Setting these may end a transaction, or fail in one.
inline constexpr std::array<std::string_view, 5> transaction_variables{
    "autocommit", "transaction_isolation", "transaction_read_only", "tx_isolation", "tx_read_only"};

/// On a replica's link these belong to Sluice: they keep writes out (P2).
[[nodiscard]] bool guards_replica(std::string_view variable) noexcept;

enum class LinkRole : std::uint8_t { primary, replica };

/// The one statement that turns `image` into `wanted`, sent after the schema has been
/// chosen if that differs; empty if nothing else does. Variables that `wanted` lacks go back to
/// what the link's login gave them (`baseline`), else to DEFAULT.
[[nodiscard]] std::string difference(const StateVector& image, const StateVector& wanted,
                                     LinkRole role, const StateVector& baseline = {});

/// Why a session may not leave its link.
enum class Pin : std::uint8_t {
  user_variable,
  temporary_table,
  table_lock,
  global_lock,
  backup_lock,
  user_lock,
  handler,
  xa,
  prepared_text,     ///< PREPARE … FROM
  session_tracking,  ///< the client has taken the trackers over
  role,              ///< SET ROLE
  one_shot_variable,
  routine,    ///< a routine changed the session in a way that nobody can read
  oversized,  ///< a statement too long to understand
  cursor,     ///< rows wait for FETCH
  long_data,  ///< a parameter is being sent piece by piece
  next_transaction,
};
inline constexpr std::size_t pin_count = static_cast<std::size_t>(Pin::next_transaction) + 1;
[[nodiscard]] std::string_view to_string(Pin pin) noexcept;

class Pins {
 public:
  void add(Pin pin) noexcept { bits_ |= bit(pin); }
  void remove(Pin pin) noexcept { bits_ &= ~bit(pin); }
  void merge(Pins other) noexcept { bits_ |= other.bits_; }
  void subtract(Pins other) noexcept { bits_ &= ~other.bits_; }
  void clear() noexcept { bits_ = 0; }
  [[nodiscard]] bool has(Pin pin) const noexcept { return (bits_ & bit(pin)) != 0; }
  [[nodiscard]] bool any() const noexcept { return bits_ != 0; }
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }
  friend bool operator==(Pins, Pins) = default;

 private:
  static constexpr std::uint32_t bit(Pin pin) noexcept {
    return 1U << static_cast<std::uint8_t>(pin);
  }
  std::uint32_t bits_ = 0;
};

/// The words of all pins, comma separated; empty if there are none.
[[nodiscard]] std::string to_string(Pins pins);

/// The pins that a statement leaves behind, judged by its text alone. Given
/// before it is sent: a statement that fails half-way may have left them too.
/// Which of them remain once its outcome is known, HeldThings says.
[[nodiscard]] Pins pins_of(const Statement& statement) noexcept;

/// Has the session asked for SERIALIZABLE? A global default is not known here.
[[nodiscard]] bool is_serializable(const StateVector& state) noexcept;

/// May the statement, sent to the primary, have committed something that replicas
/// do not have yet? What only reads, locks, or shapes the session may not.
[[nodiscard]] bool may_write(const Statement& statement) noexcept;

/// May the statement run among those of other sessions on one link? A plain read that
/// neither looks at anything of its session, state apart, nor leaves anything there.
[[nodiscard]] bool may_share(const Statement& statement) noexcept;

}  // namespace sluice::routing
