#include "proxy/failover_sql.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::proxy {
namespace {

using routing::Flavour;
using routing::Observation;
using routing::ReplicationSource;

constexpr unsigned first_with_replica_words = 80022;  // STOP REPLICA, MySQL 8.0.22
constexpr unsigned first_with_source_words = 80023;   // CHANGE REPLICATION SOURCE TO
constexpr unsigned first_with_demote = 101000;        // MASTER_DEMOTE_TO_SLAVE, MariaDB 10.10

bool is_mariadb(const Observation& seen) { return seen.flavour == Flavour::mariadb; }

std::string_view replica_word(const Observation& seen) {
  return !is_mariadb(seen) && seen.version_number >= first_with_replica_words ? "REPLICA" : "SLAVE";
}

/// "STOP SLAVE 'name' IO_THREAD", "STOP REPLICA IO_THREAD FOR CHANNEL 'name'".
std::string thread_statement(const Observation& seen, const ReplicationSource& source,
                             std::string_view verb, std::string_view thread) {
  const std::string name = source.channel.empty() ? "" : ' ' + sql_quote(source.channel);
  if (is_mariadb(seen)) return fmt::format("{} SLAVE{}{}", verb, name, thread);
  const std::string channel = name.empty() ? "" : " FOR CHANNEL" + name;
  return fmt::format("{} {}{}{}", verb, replica_word(seen), thread, channel);
}

}  // namespace

std::string sql_quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

Statements read_only_statements(EngineVersion engine, bool on) {
  if (engine.flavour == Flavour::mariadb)
    return {fmt::format("SET GLOBAL read_only={}", on ? 1 : 0)};
  if (on) return {"SET GLOBAL super_read_only=1"};  // read_only is set with it
  return {"SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0"};
}

Statements receive_statements(const Observation& seen, bool on) {
  Statements all;
  for (const ReplicationSource& source : seen.sources)
    all.push_back(thread_statement(seen, source, on ? "START" : "STOP", " IO_THREAD"));
  return all;
}

Statements forget_source_statements(const Observation& seen) {
  Statements all;
  for (const ReplicationSource& source : seen.sources) {
    all.push_back(thread_statement(seen, source, "STOP", ""));
    std::string name = source.channel.empty() ? "" : ' ' + sql_quote(source.channel);
    if (is_mariadb(seen)) {
      all.push_back(fmt::format("RESET SLAVE{} ALL", name));
    } else {
      if (!name.empty()) name = " FOR CHANNEL" + name;
      all.push_back(fmt::format("RESET {} ALL{}", replica_word(seen), name));
    }
  }
  return all;
}

Statements follow_statements(const Observation& seen, const NewSource& source) {
  Statements all;
  const bool has_default =
      std::any_of(seen.sources.begin(), seen.sources.end(),
                  [](const ReplicationSource& one) { return one.channel.empty(); });
  const bool fresh = seen.sources.empty();
  // Several sources, or one under a name, give way to one without.
  if (!fresh && (seen.sources.size() > 1 || !has_default)) {
    all = forget_source_statements(seen);
  } else if (!fresh) {
    all.push_back(thread_statement(seen, seen.sources.front(), "STOP", ""));
  }
  const std::string host = sql_quote(source.host);
  std::string account;
  if (is_mariadb(seen)) {
    if (!source.user.empty())
      account = fmt::format(", MASTER_USER={}, MASTER_PASSWORD={}", sql_quote(source.user),
                            sql_quote(source.password));
    const bool demote = fresh && seen.version_number >= first_with_demote;
    if (fresh && !demote) all.emplace_back("SET GLOBAL gtid_slave_pos = @@global.gtid_current_pos");
    all.push_back(
        fmt::format("CHANGE MASTER TO MASTER_HOST={}, MASTER_PORT={}{}{}, MASTER_CONNECT_RETRY=1, "
                    "MASTER_USE_GTID=slave_pos{}",
                    host, source.port, account, source.tls ? ", MASTER_SSL=1" : "",
                    demote ? ", MASTER_DEMOTE_TO_SLAVE=1" : ""));
    all.emplace_back("START SLAVE");
    return all;
  }
  const bool new_words = seen.version_number >= first_with_source_words;
  const std::string_view word = new_words ? "SOURCE" : "MASTER";
  if (!source.user.empty())
    account = fmt::format(", {0}_USER={1}, {0}_PASSWORD={2}, GET_{0}_PUBLIC_KEY=1", word,
                          sql_quote(source.user), sql_quote(source.password));
  all.push_back(fmt::format(
      "CHANGE {} TO {}_HOST={}, {}_PORT={}{}{}, {}_CONNECT_RETRY=1, {}_RETRY_COUNT=86400, "
      "{}_AUTO_POSITION=1",
      new_words ? "REPLICATION SOURCE" : "MASTER", word, host, word, source.port, account,
      source.tls ? fmt::format(", {}_SSL=1", word) : "", word, word, word));
  all.push_back(fmt::format("START {}", replica_word(seen)));
  return all;
}

std::string wait_statement(Flavour flavour, std::string_view gtid,
                           std::chrono::milliseconds patience) {
  const double seconds = std::chrono::duration<double>(patience).count();
  const std::string_view function =
      flavour == Flavour::mariadb ? "MASTER_GTID_WAIT" : "WAIT_FOR_EXECUTED_GTID_SET";
  return fmt::format("SELECT {}({}, {:.3f}) AS answer", function, sql_quote(gtid), seconds);
}

// Both say 0 for yes; MySQL 1 and MariaDB -1 for a timeout.
bool was_applied(Flavour, std::string_view answer) { return answer == "0"; }

std::string received_of(const SqlTable& status) {
  std::string all;
  for (std::size_t row = 0; row < status.rows.size(); ++row) {
    const std::string* cell = status.find(row, "Gtid_IO_Pos");
    if (cell == nullptr) cell = status.find(row, "Retrieved_Gtid_Set");
    if (cell == nullptr || cell->empty()) continue;
    if (!all.empty()) all += ',';
    for (const char c : *cell)
      if (c != '\n' && c != ' ') all += c;
  }
  return all;
}

std::string privileges_statement() {
  return "SELECT UPPER(PRIVILEGE_TYPE) AS privilege FROM information_schema.user_privileges"
         " WHERE GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')";
}

std::vector<std::string> missing_privileges(EngineVersion engine,
                                            const std::vector<std::string>& granted) {
  const auto has = [&](std::string_view name) {
    return std::find(granted.begin(), granted.end(), name) != granted.end();
  };
  std::vector<std::string> missing;
  const auto need = [&](std::initializer_list<std::string_view> any_of) {
    for (const std::string_view one : any_of)
      if (has(one)) return;
    missing.emplace_back(*any_of.begin());
  };
  if (engine.flavour == Flavour::mariadb) {
    need({"READ_ONLY ADMIN", "READ ONLY ADMIN"});
    need({"REPLICATION SLAVE ADMIN", "SUPER"});
    need({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"});
    need({"SLAVE MONITOR", "REPLICA MONITOR", "SUPER"});
    need({"RELOAD"});
  } else {
    need({"SYSTEM_VARIABLES_ADMIN", "SUPER"});
    need({"REPLICATION_SLAVE_ADMIN", "SUPER"});
    need({"REPLICATION CLIENT", "SUPER"});
    need({"RELOAD"});
  }
  return missing;
}

}  // namespace sluice::proxy
