#include "routing/session_state.hpp"

#include <algorithm>
#include <array>

namespace sluice::routing {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

template <std::size_t N>
[[nodiscard]] bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Facts that trackers report like variables, and settings that are Sluice's own
// on every link. `autocommit` and the rest of the client's settings are not here.
constexpr std::array<std::string_view, 12> ignored_names{"last_gtid",
                                                         "in_transaction",
                                                         "warning_count",
                                                         "error_count",
                                                         "last_insert_id",
                                                         "identity",
                                                         "session_track_gtids",
                                                         "session_track_schema",
                                                         "session_track_state_change",
                                                         "session_track_system_variables",
                                                         "session_track_transaction_info",
                                                         "statement_id"};

// `timestamp` too: once set back to DEFAULT, the tracker reports a moment, and to
// replay that would stop the clock. HeldThings reads off the text which it was.
constexpr std::array<std::string_view, 13> one_shot_names{
    "timestamp",   "insert_id",         "rand_seed1",         "rand_seed2", "pseudo_thread_id",
    "gtid_next",   "gtid_seq_no",       "gtid_domain_id",     "server_id",  "skip_replication",
    "sql_log_bin", "pseudo_slave_mode", "pseudo_replica_mode"};

constexpr std::array<std::string_view, 2> guard_names{"transaction_read_only", "tx_read_only"};

// Two names of one setting, in the order in which they are set: a character set
// brings its default collation, a collation its character set.
constexpr std::array<std::string_view, 2> connection_names{"character_set_connection",
                                                           "collation_connection"};

constexpr std::string_view results_name = "character_set_results";
constexpr std::string_view client_name = "character_set_client";

// Follows the schema, unless set after the schema was chosen.
constexpr std::string_view schemas_own = "collation_database";

[[nodiscard]] bool same_name(std::string_view kept, std::string_view asked) noexcept {
  return std::equal(kept.begin(), kept.end(), asked.begin(), asked.end(),
                    [](char a, char b) { return a == lower(b); });
}

/// Both have it with the same value, or neither has it.
[[nodiscard]] bool agree(const StateVector& a, const StateVector& b, std::string_view name) {
  const std::string* one = a.find(name);
  const std::string* other = b.find(name);
  return one == nullptr || other == nullptr ? one == other : *one == *other;
}

[[nodiscard]] bool looks_numeric(std::string_view value) {
  if (value.empty()) return false;
  std::size_t i = value[0] == '-' ? 1 : 0;
  bool digits = false;
  bool point = false;
  for (; i < value.size(); ++i) {
    if (value[i] >= '0' && value[i] <= '9') {
      digits = true;
    } else if (value[i] == '.' && !point) {
      point = true;
    } else {
      return false;
    }
  }
  return digits;
}

/// A literal that means the same under every sql_mode and character set: digits
/// stay bare, plain text is quoted, the rest goes as hexadecimal.
void append_literal(std::string& out, std::string_view value) {
  if (looks_numeric(value)) {
    out += value;
    return;
  }
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '\'' && c != '\\';
  });
  if (plain) {
    out += '\'';
    out += value;
    out += '\'';
    return;
  }
  static constexpr char digits[] = "0123456789abcdef";
  out += "_utf8mb4 X'";
  for (const char c : value) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  out += '\'';
}

// MySQL (seen on 9.7) makes DEFAULT the opposite of the global value of these: the
// option bits behind them say "no foreign key checks".
constexpr std::array<std::string_view, 2> inverted_defaults{"foreign_key_checks", "unique_checks"};

void append_assignment(std::string& out, std::string_view name, const std::string* value) {
  out += out.empty() ? "SET SESSION " : ", SESSION ";
  out += name;
  out += '=';
  if (value == nullptr && contains(inverted_defaults, name)) {
    out += "@@global.";
    out += name;
  } else if (value == nullptr) {
    out += "DEFAULT";
  } else if (value->empty() && name == "character_set_results") {
    out += "NULL";
  } else {
    append_literal(out, *value);
  }
}

}  // namespace

void StateVector::set(std::string_view variable, std::string_view value) {
  std::string name(variable);
  std::transform(name.begin(), name.end(), name.begin(), lower);
  const auto at =
      std::lower_bound(variables_.begin(), variables_.end(), name,
                       [](const auto& pair, const std::string& key) { return pair.first < key; });
  if (at != variables_.end() && at->first == name) {
    at->second.assign(value);
  } else {
    variables_.emplace(at, std::move(name), value);
  }
}

const std::string* StateVector::find(std::string_view variable) const noexcept {
  for (const auto& [name, value] : variables_)
    if (same_name(name, variable)) return &value;
  return nullptr;
}

void StateVector::erase(std::string_view variable) {
  std::erase_if(variables_, [&](const auto& pair) { return same_name(pair.first, variable); });
}

void StateVector::forget_names() {
  if (find(results_collation) != nullptr) set(results_collation, "");
}

std::vector<std::string> StateVector::unknowns() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables_)
    if (value == unknown) names.push_back(name);
  return names;
}

bool StateVector::has_unknowns() const noexcept {
  return std::any_of(variables_.begin(), variables_.end(),
                     [](const auto& pair) { return pair.second == unknown; });
}

std::string_view collation_decided_by(std::string_view charset_variable) noexcept {
  if (charset_variable == "character_set_connection") return "collation_connection";
  if (charset_variable == "character_set_database") return schemas_own;
  return {};
}

void add_consequences(StateVector& told) {
  for (const std::string_view name : {"character_set_connection", "character_set_database"}) {
    const std::string_view collation = collation_decided_by(name);
    if (told.find(name) != nullptr && told.find(collation) == nullptr)
      told.set(collation, StateVector::unknown);
  }
  told.erase("character_set_database");
  const std::string* results = told.find("character_set_results");
  if (results == nullptr) return;
  const std::string* client = told.find("character_set_client");
  const std::string* connection = told.find("character_set_connection");
  const bool by_names =
      client != nullptr && connection != nullptr && *client == *results && *connection == *results;
  const std::string* collation = told.find("collation_connection");
  const std::string value = by_names && collation != nullptr ? *collation : std::string{};
  told.set(StateVector::results_collation, value);
}

VariableKind kind_of_variable(std::string_view name) noexcept {
  if (contains(ignored_names, name)) return VariableKind::ignored;
  if (contains(one_shot_names, name)) return VariableKind::one_shot;
  return VariableKind::replayable;
}

bool guards_replica(std::string_view variable) noexcept { return contains(guard_names, variable); }

std::string difference(const StateVector& image, const StateVector& wanted, LinkRole role,
                       const StateVector& baseline) {
  std::string statement;
  const auto effective = [&baseline](const StateVector& state, std::string_view name) {
    const std::string* value = state.find(name);
    return value != nullptr ? value : baseline.find(name);
  };
  const auto same = [](const std::string* a, const std::string* b) {
    return a == nullptr || b == nullptr ? a == b : *a == *b;
  };
  // The collation of character_set_results can be had through SET NAMES alone, which
  // sets the other character sets as well: they follow.
  const std::string* results = effective(wanted, results_name);
  const std::string* collation = effective(wanted, StateVector::results_collation);
  const bool results_differ = !same(effective(image, results_name), results) ||
                              !same(effective(image, StateVector::results_collation), collation);
  const bool by_names = results_differ && results != nullptr && collation != nullptr &&
                        !collation->empty() && *collation != StateVector::unknown;
  if (by_names) {
    statement = "SET NAMES ";
    append_literal(statement, *results);
    statement += " COLLATE ";
    append_literal(statement, *collation);
  }
  const auto skip = [&](const std::string& name) {
    if (name == StateVector::results_collation || contains(connection_names, name)) return true;
    if (name == results_name || (by_names && name == client_name)) return true;
    return role == LinkRole::replica && guards_replica(name);
  };
  // Choosing a schema ahead of this statement sets what follows the schema.
  const bool schema_follows = image.schema != wanted.schema && !wanted.schema.empty();
  for (const auto& [name, value] : image.variables())
    if (wanted.find(name) == nullptr && !skip(name) && !(schema_follows && name == schemas_own))
      append_assignment(statement, name, baseline.find(name));
  for (const auto& [name, value] : wanted.variables())
    if ((!agree(image, wanted, name) || (schema_follows && name == schemas_own)) && !skip(name))
      append_assignment(statement, name, &value);
  if (by_names) {
    const std::string* client = effective(wanted, client_name);
    if (client != nullptr) append_assignment(statement, client_name, client);
  }
  if (results_differ && !by_names) append_assignment(statement, results_name, results);

  if (!by_names && std::all_of(connection_names.begin(), connection_names.end(),
                               [&](std::string_view name) { return agree(image, wanted, name); })) {
    return statement;
  }
  // All of the pair comes from one place: half of it would change the other half.
  const auto has_either = [](const StateVector& state) {
    return std::any_of(connection_names.begin(), connection_names.end(),
                       [&](std::string_view name) { return state.find(name) != nullptr; });
  };
  const StateVector& source = has_either(wanted) ? wanted : baseline;
  for (const std::string_view name : connection_names)
    if (source.find(name) != nullptr || !has_either(source))
      append_assignment(statement, name, source.find(name));
  return statement;
}

std::string_view to_string(Pin pin) noexcept {
  switch (pin) {
    case Pin::user_variable: return "user_variable";
    case Pin::temporary_table: return "temporary_table";
    case Pin::table_lock: return "table_lock";
    case Pin::global_lock: return "global_lock";
    case Pin::backup_lock: return "backup_lock";
    case Pin::user_lock: return "user_lock";
    case Pin::handler: return "handler";
    case Pin::xa: return "xa";
    case Pin::prepared_text: return "prepared_text";
    case Pin::session_tracking: return "session_tracking";
    case Pin::role: return "role";
    case Pin::one_shot_variable: return "one_shot_variable";
    case Pin::routine: return "routine";
    case Pin::oversized: return "oversized";
    case Pin::cursor: return "cursor";
    case Pin::long_data: return "long_data";
    case Pin::next_transaction: return "next_transaction";
  }
  return "?";
}

std::string to_string(Pins pins) {
  std::string words;
  for (std::size_t i = 0; i < pin_count; ++i) {
    if (!pins.has(static_cast<Pin>(i))) continue;
    if (!words.empty()) words += ',';
    words += to_string(static_cast<Pin>(i));
  }
  return words;
}

Pins pins_of(const Statement& statement) noexcept {
  static constexpr std::array<std::pair<Effect, Pin>, 12> table{{
      {Effect::sets_user_variables, Pin::user_variable},
      {Effect::creates_temporary_table, Pin::temporary_table},
      {Effect::locks_tables, Pin::table_lock},
      {Effect::global_lock, Pin::global_lock},
      {Effect::takes_backup_lock, Pin::backup_lock},
      {Effect::takes_user_lock, Pin::user_lock},
      {Effect::opens_handler, Pin::handler},
      {Effect::xa, Pin::xa},
      {Effect::prepares, Pin::prepared_text},
      {Effect::session_tracking, Pin::session_tracking},
      {Effect::sets_next_transaction, Pin::next_transaction},
      {Effect::sets_role, Pin::role},
  }};
  Pins pins;
  for (const auto& [effect, pin] : table)
    if (statement.effects.has(effect)) pins.add(pin);
  // EXECUTE and EXECUTE IMMEDIATE may run anything; the trackers tell of most
  // of it, but not of locks.
  if (statement.effects.has(Effect::executes)) pins.add(Pin::prepared_text);
  return pins;
}

bool is_serializable(const StateVector& state) noexcept {
  // MariaDB 10.11 calls it tx_isolation.
  const std::string* level = state.find("transaction_isolation");
  if (level == nullptr) level = state.find("tx_isolation");
  return level != nullptr && *level == "SERIALIZABLE";
}

bool may_write(const Statement& statement) noexcept {
  if (statement.access == Access::read) return false;
  switch (statement.cause) {
    case Cause::plain_read:
    case Cause::empty:
    case Cause::locks_rows:
    case Cause::asks_role:
    case Cause::one_server:
    case Cause::session_local:
    case Cause::session_setting:
    case Cause::user_lock:
    case Cause::prepares:
      return statement.effects.any({Effect::several, Effect::calls_routine, Effect::executes,
                                    Effect::implicit_commit, Effect::ends_transaction,
                                    Effect::sets_autocommit});
    default: return true;
  }
}

bool may_share(const Statement& statement) noexcept {
  return statement.access == Access::read && statement.cause == Cause::plain_read &&
         statement.effects.none();
}

}  // namespace sluice::routing
