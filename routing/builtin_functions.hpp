/// The functions that the servers bring along, and what calling one means.
///
/// A name that is not built in may be a stored function or a loadable one, and
/// may do anything. Which names are built in depends on engine and version: NVL
/// is MariaDB's own, and on MySQL somebody's stored function.
///
/// Sources: MySQL 9.7 Reference Manual, chapter 14; MariaDB Knowledge Base,
/// "Built-in Functions".
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::routing {

struct Dialect;

enum class FunctionKind : std::uint8_t {
  unknown,
  pure,                // changes nothing; a replica's answer is as good
  pure_if_adjacent,    // so, and built in only if no blank stands before the parenthesis
  takes_user_lock,     // GET_LOCK
  releases_user_lock,  // RELEASE_LOCK, RELEASE_ALL_LOCKS
  asks_user_lock,      // IS_FREE_LOCK, IS_USED_LOCK
  sequence,            // NEXTVAL, LASTVAL, SETVAL
  one_server,          // about this server's replication, files or threads
  last_insert_id,      // LAST_INSERT_ID, with or without argument
  previous,            // ROW_COUNT, FOUND_ROWS: about the statement before
  connection_id,       // CONNECTION_ID
};

/// `name` as written, unquoted and unqualified.
[[nodiscard]] FunctionKind find_function(std::string_view name, const Dialect& dialect) noexcept;

}  // namespace sluice::routing
