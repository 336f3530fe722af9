/// Names that mean one server, or one session, rather than the data.
///
/// Tables, system variables and patterns of SHOW VARIABLES whose answer from a
/// replica would not be the primary's.
///
/// Sources: MySQL 9 Reference Manual, chapters 7.1.8 and 28; MariaDB Knowledge
/// Base, "Server System Variables", "Information Schema Tables".
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::routing {

enum class VariableKind : std::uint8_t {
  plain,          // the session's own, or the same wherever it matters
  role,           // tells a primary from a replica
  session_local,  // insert_id, rand_seed1: this session's past, not told by a tracker
  previous,       // warning_count, identity: about the statement before
  connection_id,  // pseudo_thread_id
};

/// `name` without @@, scope or quotes.
[[nodiscard]] VariableKind find_variable(std::string_view name) noexcept;

/// True if a LIKE pattern may match the name of a variable of VariableKind::role.
[[nodiscard]] bool may_match_role_variable(std::string_view pattern) noexcept;

/// `table` of information_schema: true if it speaks of one server.
[[nodiscard]] bool is_one_server_table(std::string_view table) noexcept;

}  // namespace sluice::routing
