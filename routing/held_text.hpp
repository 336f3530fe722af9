/// Reads off a statement's text what it takes hold of, or lets go, by name.
///
/// Each reader knows one statement in its plain forms and says nothing (nullopt)
/// about all others: what is not understood is for the caller to take as the worst
/// case (P8). Statements with executable comments, or whose text cannot be cut with
/// certainty, are never understood.
///
/// Shapes: tables are `schema.name` with the letters as written, since only the
/// backend knows whether they count; names of locks as the server would see them.
/// Sources: MySQL manual, "Locking Functions", "DROP TABLE Statement", "HANDLER
/// Statement"; MariaDB knowledge base, "BACKUP STAGE", "EXECUTE IMMEDIATE".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/statement.hpp"

namespace sluice::routing {

/// `CREATE [OR REPLACE] TEMPORARY TABLE [IF NOT EXISTS] name …`
[[nodiscard]] std::optional<std::string> created_temporary_table(std::string_view sql,
                                                                 const Dialect& dialect,
                                                                 std::string_view schema);

/// `DROP [TEMPORARY] TABLE [IF EXISTS] name, …`
[[nodiscard]] std::optional<std::vector<std::string>> dropped_tables(std::string_view sql,
                                                                     const Dialect& dialect,
                                                                     std::string_view schema);

/// Could it give tables other names? `RENAME TABLE`, `ALTER TABLE … RENAME [TO] …`.
[[nodiscard]] bool renames_tables(std::string_view sql, const Dialect& dialect);

struct UserLockCall {
  enum class Kind : std::uint8_t { take, release, release_all };
  Kind kind = Kind::take;
  std::string name;  ///< empty for release_all
  friend bool operator==(const UserLockCall&, const UserLockCall&) = default;
};
/// `SELECT GET_LOCK('a', 1) [AS x], RELEASE_LOCK('b')` and the like, also with DO:
/// calls that are made exactly once each if the statement succeeds.
[[nodiscard]] std::optional<std::vector<UserLockCall>> user_lock_calls(std::string_view sql,
                                                                       const Dialect& dialect);

struct HandlerChange {
  bool opens = false;  ///< else it closes
  std::string name;    ///< the alias where it has one
};
[[nodiscard]] std::optional<HandlerChange> handler_change(std::string_view sql,
                                                          const Dialect& dialect);

enum class BackupLock : std::uint8_t { instance, stage, table };
/// Which of them a LOCK INSTANCE, BACKUP … or UNLOCK INSTANCE speaks of.
[[nodiscard]] std::optional<BackupLock> backup_lock_of(std::string_view sql,
                                                       const Dialect& dialect);

enum class XaStep : std::uint8_t { begin, end, prepare, finish, other };
[[nodiscard]] XaStep xa_step_of(std::string_view sql, const Dialect& dialect);

struct Assignment {
  std::string variable;  ///< a session variable's name, lower case
  std::string value;  ///< as written if it is one token (a string without its quotes), else empty
};
/// The session variables that a SET assigns; user variables and NAMES are left out.
[[nodiscard]] std::optional<std::vector<Assignment>> assignments_of(std::string_view sql,
                                                                    const Dialect& dialect);

/// Where a `PREPARE … FROM` or an `EXECUTE IMMEDIATE` has its text from.
struct PreparedText {
  std::optional<std::string> literal;   ///< the text itself
  std::optional<std::string> variable;  ///< the user variable, as written with its @
};
[[nodiscard]] PreparedText prepared_text_of(std::string_view sql, const Dialect& dialect);

/// The statements of a text that holds several, each without its semicolon; nullopt
/// where a semicolon may be a part of one.
[[nodiscard]] std::optional<std::vector<std::string_view>> parts_of(std::string_view sql,
                                                                    const Dialect& dialect);

}  // namespace sluice::routing
