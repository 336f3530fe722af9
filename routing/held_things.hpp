/// What a session holds on its link that no other link can be given: temporary
/// tables, locks, open handlers, an XA transaction, text-prepared statements,
/// one-shot variables. Each is a pin for as long as it is held.
///
/// Drive it: `note` every statement once its outcome is known; then `pins()` are the
/// pins that are due, among those that `decided()` names. It believes that something
/// is let go only if the text says by name what, and the statement succeeded: what
/// is not understood stays held until the session is reset (P8).
///
/// Bounded: names and texts beyond a budget are counted as unknown (P7).
/// Thread: none of its own; a value.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "routing/held_text.hpp"
#include "routing/session_state.hpp"
#include "routing/statement.hpp"

namespace sluice::routing {

/// Names of one kind, each held once or several times, and perhaps some unknown ones.
class HeldNames {
 public:
  static constexpr std::size_t most_names = 256;
  static constexpr std::size_t longest_name = 512;

  enum class Times : std::uint8_t { once, counted };
  void take(std::string name, Times times = Times::once);
  void take_unknown() noexcept { unknown_ = true; }
  void release(const std::string& name);
  void clear() {
    names_.clear();
    unknown_ = false;
  }
  [[nodiscard]] bool any() const noexcept { return unknown_ || !names_.empty(); }
  [[nodiscard]] bool known() const noexcept { return !unknown_; }
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  template <typename Predicate>
  [[nodiscard]] bool any_of(Predicate predicate) const {
    for (const auto& [name, times] : names_)
      if (predicate(name)) return true;
    return false;
  }
  /// The first few, comma separated.
  [[nodiscard]] std::string listed(std::string_view before = {}, std::string_view after = {}) const;

 private:
  std::map<std::string, std::uint32_t> names_;
  bool unknown_ = false;
};

/// How a statement ended, as far as it matters here.
struct Outcome {
  bool failed = false;
  bool in_transaction = false;  ///< the status flag after it
  bool one_shot_set = false;    ///< a tracker told of a variable that cannot be replayed
};

class HeldThings {
 public:
  /// Texts of PREPARE beyond this, together, are not kept.
  static constexpr std::size_t text_budget = 64 * 1024;

  void note(std::string_view sql, const Statement& statement, const Dialect& dialect,
            std::string_view schema, const Outcome& outcome);

  /// The pins that pins() decides about.
  [[nodiscard]] static Pins decided() noexcept;
  [[nodiscard]] Pins pins() const noexcept;
  /// What the client has to do for the pin to end; of any pin.
  [[nodiscard]] std::string end_of(Pin pin) const;
  /// Changes whenever end_of() may.
  [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

  /// `SET timestamp = 1700000000` holds nothing: it can be replayed. Empty: the clock runs.
  [[nodiscard]] const std::string& timestamp() const noexcept { return timestamp_; }

  /// What an EXECUTE ran, as far as its text is known.
  struct Executed {
    std::string sql;
    Statement statement;  ///< `name` is empty
  };
  [[nodiscard]] std::optional<Executed> executed(std::string_view sql, const Statement& statement,
                                                 const Dialect& dialect) const;
  /// The variable that the last PREPARE took its text from, with its @, until
  /// `learn_text` says what was in it; empty if there is none.
  [[nodiscard]] const std::string& asked_variable() const noexcept { return asked_variable_; }
  void learn_text(std::optional<std::string> text);

  void clear() { *this = HeldThings(revision_ + 1); }
  HeldThings() = default;

 private:
  explicit HeldThings(std::uint64_t revision) : revision_(revision) {}

  struct Noting {
    const Dialect& dialect;
    std::string_view schema;
    const Outcome& outcome;
  };
  void note_one(std::string_view sql, const Statement& statement, const Noting& in);
  void note_unread(Effects effects, const Outcome& outcome);
  void note_tables(std::string_view sql, const Statement& statement, const Noting& in);
  void note_user_locks(std::string_view sql, const Statement& statement, const Noting& in);
  void note_locks(std::string_view sql, const Statement& statement, const Noting& in);
  void note_handlers(std::string_view sql, const Statement& statement, const Noting& in);
  void note_xa(std::string_view sql, const Noting& in);
  void note_prepared(std::string_view sql, const Statement& statement, const Noting& in);
  void note_execution(std::string_view sql, const Statement& statement, const Noting& in);
  void note_variables(std::string_view sql, const Statement& statement, const Noting& in);
  void keep_text(const std::string& name, std::optional<std::string> text);

  HeldNames tables_;
  HeldNames user_locks_;
  HeldNames handlers_;
  HeldNames prepared_;
  HeldNames variables_;
  std::map<std::string, std::string> texts_;  // of prepared_, where they are known
  std::size_t text_size_ = 0;
  std::array<bool, 3> backup_{};  // by BackupLock
  bool table_lock_ = false;
  bool global_lock_ = false;
  bool xa_ = false;
  std::string timestamp_;
  std::string asked_name_;
  std::string asked_variable_;
  std::uint64_t revision_ = 0;
};

}  // namespace sluice::routing
