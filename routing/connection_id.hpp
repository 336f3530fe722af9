/// Puts a session's own id in the place of CONNECTION_ID() and @@pseudo_thread_id.
///
/// A backend would answer with the thread id of whatever link the statement runs
/// on; the client means the id of its greeting, which is what it kills by. The
/// answer keeps the server's type (a CAST, with leading zeros because MariaDB
/// takes the display width from the literal) and the column's name: an unnamed
/// select-list item gets its own text as an alias.
///
/// Left alone: what is stored rather than evaluated (bodies and defaults in CREATE
/// and ALTER), KILL, targets of SET, strings that are SQL. And the whole statement
/// if it compares the id with what a server tells of its own threads: processlist,
/// performance_schema, sys, IS_USED_LOCK(), PS_THREAD_ID().
///
/// Errors: none; what cannot be read with certainty is left alone.
/// Cost: linear in the statement, no recursion.
/// Sources: MySQL 9 Reference Manual 14.15 "Information Functions"; names, types
/// and widths as MariaDB 10.11 and MySQL 9.7 answer them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/statement.hpp"

namespace sluice::routing {

/// The statement with `id` in it, or nothing if there is nothing to replace. Worth
/// calling only for statements with Effect::asks_connection_id.
[[nodiscard]] std::optional<std::string> with_connection_id(std::string_view sql,
                                                            const Dialect& dialect,
                                                            std::uint64_t id);

}  // namespace sluice::routing
