#include "routing/server_facts.hpp"

#include <algorithm>

#include "routing/statement.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

// Sluice opens its links to replicas with transaction_read_only=1, so that
// variable, too, answers differently there.
constexpr std::string_view role_names[] = {"read_only",        "super_read_only",
                                           "innodb_read_only", "transaction_read_only",
                                           "tx_read_only",     "offline_mode"};

constexpr std::string_view role_beginnings[] = {
    "gtid_",  "rpl_",      "slave_",     "replica_", "binlog_", "log_bin",
    "wsrep_", "relay_",    "master_",    "source_",  "report_", "group_replication_",
    "sync_",  "log_slave", "log_replica"};

consteval auto make_variables() {
  WordTable<VariableKind, 64> table;
  for (std::string_view name : role_names) table.add(name, VariableKind::role);
  for_each_word("insert_id rand_seed1 rand_seed2 proxy_user external_user",
                [&](std::string_view name) { table.add(name, VariableKind::session_local); });
  for_each_word("warning_count error_count identity last_insert_id last_gtid",
                [&](std::string_view name) { table.add(name, VariableKind::previous); });
  table.add("pseudo_thread_id", VariableKind::connection_id);
  return table;
}

constexpr auto variables = make_variables();

consteval auto make_tables() {
  WordTable<bool, 128> table;
  for_each_word(
      "PROCESSLIST FILES TABLESPACES TABLESPACES_EXTENSIONS GLOBAL_STATUS SESSION_STATUS "
      "GLOBAL_VARIABLES SESSION_VARIABLES SYSTEM_VARIABLES PROFILING OPTIMIZER_TRACE "
      "OPTIMIZER_COSTS CLIENT_STATISTICS INDEX_STATISTICS TABLE_STATISTICS USER_STATISTICS "
      "METADATA_LOCK_INFO QUERY_CACHE_INFO QUERY_RESPONSE_TIME QUERY_RESPONSE_TIME_READ "
      "QUERY_RESPONSE_TIME_READ_WRITE QUERY_RESPONSE_TIME_WRITE LOCALE_STATUS KEY_CACHES "
      "THREAD_POOL_GROUPS THREAD_POOL_QUEUES THREAD_POOL_STATS THREAD_POOL_WAITS DISKS EVENTS "
      "MYSQL_FIREWALL_USERS MYSQL_FIREWALL_WHITELIST TP_THREAD_STATE TP_THREAD_GROUP_STATE "
      "TP_THREAD_GROUP_STATS CONNECTION_CONTROL_FAILED_LOGIN_ATTEMPTS FEEDBACK SLAVE_STATUS "
      "USER_PRIVILEGES SCHEMA_PRIVILEGES TABLE_PRIVILEGES COLUMN_PRIVILEGES USER_ATTRIBUTES "
      "TEMP_TABLES_INFO INNODB_TEMP_TABLE_INFO",
      [&](std::string_view name) { table.add(name, true); });
  return table;
}

constexpr auto one_server_tables = make_tables();

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Compares up to the first `%`; `_` matches anything. A pattern that goes on
// behind the beginning of a name may match the whole name.
bool may_match(std::string_view pattern, std::string_view name, bool is_beginning) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%') return true;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    if (n == name.size()) return is_beginning;
    if (pattern[i] != '_' && lower(pattern[i]) != name[n]) return false;
    ++n;
  }
  return n == name.size();
}

}  // namespace

VariableKind find_variable(std::string_view name) noexcept {
  if (const VariableKind* kind = variables.find(name)) return *kind;
  const bool role = std::ranges::any_of(
      role_beginnings, [&](std::string_view b) { return starts_with_word(name, b); });
  return role ? VariableKind::role : VariableKind::plain;
}

bool may_match_role_variable(std::string_view pattern) noexcept {
  return std::ranges::any_of(role_names,
                             [&](std::string_view n) { return may_match(pattern, n, false); }) ||
         std::ranges::any_of(role_beginnings,
                             [&](std::string_view b) { return may_match(pattern, b, true); });
}

bool is_one_server_table(std::string_view table) noexcept {
  return one_server_tables.find(table) != nullptr || starts_with_word(table, "INNODB_") ||
         starts_with_word(table, "WSREP_") || starts_with_word(table, "SPIDER_");
}

bool is_system_schema(std::string_view schema) noexcept {
  return same_word(schema, "mysql") || same_word(schema, "sys") ||
         same_word(schema, "performance_schema");
}

}  // namespace sluice::routing
