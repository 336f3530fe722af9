/// The words for what statement.hpp enumerates.
#include <array>
#include <bit>

#include "routing/statement.hpp"

namespace sluice::routing {
namespace {

constexpr std::array<std::string_view, cause_count> causes = {
    "plain_read",         "empty",       "unknown",         "oversized",      "several_statements",
    "executable_comment", "locks_rows",  "writes_data",     "defines_schema", "into",
    "assigns_variable",   "transaction", "session_setting", "asks_role",      "one_server",
    "session_local",      "routine",     "sequence",        "user_lock",      "table_lock",
    "temporary_table",    "handler",     "prepares",        "executes",       "administers"};
static_assert(causes[static_cast<int>(Cause::locks_rows)] == "locks_rows");
static_assert(causes[static_cast<int>(Cause::administers)] == "administers");

constexpr std::array<std::string_view, effect_count> effects = {"begins_transaction",
                                                                "begins_read_only_transaction",
                                                                "consistent_snapshot",
                                                                "ends_transaction",
                                                                "implicit_commit",
                                                                "savepoint",
                                                                "xa",
                                                                "sets_autocommit",
                                                                "sets_next_transaction",
                                                                "sets_variables",
                                                                "sets_charset",
                                                                "sets_sql_mode",
                                                                "session_tracking",
                                                                "sets_global",
                                                                "sets_role",
                                                                "sets_user_variables",
                                                                "reads_user_variables",
                                                                "changes_schema",
                                                                "creates_temporary_table",
                                                                "drops_temporary_table",
                                                                "locks_tables",
                                                                "unlocks_tables",
                                                                "global_lock",
                                                                "takes_user_lock",
                                                                "releases_user_lock",
                                                                "opens_handler",
                                                                "closes_handler",
                                                                "prepares",
                                                                "executes",
                                                                "deallocates",
                                                                "calls_routine",
                                                                "speaks_of_previous",
                                                                "sets_last_insert_id",
                                                                "counts_found_rows",
                                                                "asks_connection_id",
                                                                "kills",
                                                                "load_local",
                                                                "several",
                                                                "disconnects",
                                                                "takes_backup_lock",
                                                                "ends_backup_lock",
                                                                "calls_reading_function"};

constexpr std::size_t index_of(Effect effect) {
  return static_cast<std::size_t>(std::countr_zero(static_cast<std::uint64_t>(effect)));
}
static_assert(effects[index_of(Effect::prepares)] == "prepares");
static_assert(effects[index_of(Effect::calls_reading_function)] == "calls_reading_function");

}  // namespace

std::string_view to_string(Access access) noexcept {
  return access == Access::read ? "read" : "write";
}

std::string_view to_string(Cause cause) noexcept { return causes[static_cast<std::size_t>(cause)]; }

std::string_view to_string(Effect effect) noexcept { return effects[index_of(effect)]; }

std::string_view to_string(Hint hint) noexcept {
  switch (hint) {
    case Hint::primary: return "primary";
    case Hint::replica: return "replica";
    case Hint::none: break;
  }
  return "none";
}

}  // namespace sluice::routing
