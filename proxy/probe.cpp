#include "proxy/probe.hpp"

#include <strings.h>

#include <charconv>
#include <initializer_list>

namespace sluice::proxy {
namespace {

using routing::Clock;
using routing::Flavour;
using routing::GtidSet;
using routing::Observation;
using routing::ReplicationSource;
using routing::TimePoint;

constexpr std::string_view version_statement = "SELECT @@version AS v, @@version_comment AS c";

constexpr unsigned first_with_replica_words = 80022;     // SHOW REPLICA STATUS, MySQL 8.0.22
constexpr unsigned first_with_replica_updates = 80026;   // @@log_replica_updates, MySQL 8.0.26
constexpr unsigned first_with_full_collations = 101000;  // MariaDB 10.10: uca1400_…

bool same_word(std::string_view a, const char* b) {
  return a.size() == std::string_view(b).size() && ::strncasecmp(a.data(), b, a.size()) == 0;
}

template <class Number>
Number number(const std::string* text) {
  Number value = 0;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

// P8: only what is plainly off is off. MariaDB 12 answers with words, and has more than two.
bool is_off(const std::string* text) {
  return text != nullptr && (*text == "0" || same_word(*text, "OFF"));
}

// MySQL renamed its columns in 8.0.22; MariaDB keeps the old names.
const std::string* either(const SqlTable& table, std::size_t row,
                          std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (const std::string* cell = table.find(row, name)) return cell;
  return nullptr;
}

std::string text_of(const std::string* cell) { return cell != nullptr ? *cell : std::string(); }

bool says_yes(const std::string* cell) { return cell != nullptr && same_word(*cell, "Yes"); }

}  // namespace

EngineVersion read_version(std::string_view version, std::string_view comment) {
  EngineVersion engine;
  if (version.find("MariaDB") != std::string_view::npos ||
      comment.find("MariaDB") != std::string_view::npos ||
      comment.find("mariadb.org") != std::string_view::npos)
    engine.flavour = Flavour::mariadb;
  // Old MariaDBs pretend to be a 5.5.5 for the sake of replication.
  constexpr std::string_view disguise = "5.5.5-";
  if (version.starts_with(disguise)) version.remove_prefix(disguise.size());
  unsigned parts[3] = {0, 0, 0};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (unsigned& part : parts) {
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc{} || part > 99) return engine;
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  engine.number = parts[0] * 10'000 + parts[1] * 100 + parts[2];
  return engine;
}

std::string probe_statements(EngineVersion engine) {
  if (engine.flavour == Flavour::mariadb)
    return "SELECT @@global.gtid_current_pos AS gtid, @@global.read_only AS read_only,"
           " @@global.gtid_binlog_state AS written, @@log_bin AS log_bin,"
           " @@log_slave_updates AS log_updates,"
           " @@global.autocommit AS autocommit, @@server_id AS server_id, @@version AS version,"
           " @@global.collation_server AS collation, @@global.character_set_server AS charset;"
           "SHOW ALL SLAVES STATUS";
  std::string statements =
      "SELECT @@global.gtid_executed AS gtid, @@global.gtid_mode AS gtid_mode,"
      " @@global.read_only AS read_only, @@global.super_read_only AS super_read_only,"
      " @@global.autocommit AS autocommit,"
      " @@server_uuid AS server_uuid, @@server_id AS server_id, @@version AS version,"
      " @@global.collation_server AS collation, @@global.character_set_server AS charset,"
      " @@log_bin AS log_bin, ";
  statements +=
      engine.number >= first_with_replica_updates ? "@@log_replica_updates" : "@@log_slave_updates";
  statements += " AS log_updates;";
  statements +=
      engine.number >= first_with_replica_words ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
  return statements;
}

std::string collation_statement(EngineVersion engine) {
  if (engine.flavour == Flavour::mariadb && engine.number >= first_with_full_collations)
    return "SELECT id FROM information_schema.collation_character_set_applicability"
           " WHERE full_collation_name = @@global.collation_server";
  return "SELECT id FROM information_schema.collations"
         " WHERE collation_name = @@global.collation_server";
}

bool read_variables(const SqlTable& table, EngineVersion engine, Observation& observation) {
  const std::string* version = table.find(0, "version");
  const std::string* read_only = table.find(0, "read_only");
  if (version == nullptr || read_only == nullptr) return false;

  observation.flavour = engine.flavour;
  observation.version = *version;
  observation.version_number = engine.number;
  observation.server_uuid = text_of(table.find(0, "server_uuid"));
  observation.server_id = number<std::uint32_t>(table.find(0, "server_id"));
  observation.read_only = !is_off(read_only);
  observation.super_read_only =
      engine.flavour == Flavour::mysql && !is_off(table.find(0, "super_read_only"));
  observation.autocommit = !is_off(table.find(0, "autocommit"));
  observation.charset = text_of(table.find(0, "charset"));

  const auto is_on = [&](std::string_view name) {
    const std::string* cell = table.find(0, name);
    return cell != nullptr && !is_off(cell);
  };
  observation.feeds_others = is_on("log_bin") && is_on("log_updates");
  observation.written.clear();
  if (const std::string* written = table.find(0, "written"))
    if (auto parsed = routing::parse_positions(*written)) observation.written = std::move(*parsed);

  observation.gtid.reset();
  const std::string* gtid = table.find(0, "gtid");
  const std::string* mode = table.find(0, "gtid_mode");
  const bool kept =
      engine.flavour == Flavour::mariadb || (mode != nullptr && same_word(*mode, "ON"));
  if (gtid != nullptr && kept)
    if (auto parsed = GtidSet::parse(*gtid, engine.flavour)) observation.gtid = std::move(*parsed);
  return true;
}

std::vector<ReplicationSource> read_sources(const SqlTable& table) {
  std::vector<ReplicationSource> sources;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto cell = [&](std::initializer_list<std::string_view> names) {
      return either(table, row, names);
    };
    ReplicationSource source;
    source.channel = text_of(cell({"Channel_Name", "Connection_name"}));
    source.host = text_of(cell({"Source_Host", "Master_Host"}));
    source.port = number<std::uint16_t>(cell({"Source_Port", "Master_Port"}));
    source.uuid = text_of(cell({"Source_UUID", "Master_UUID"}));
    source.server_id = number<std::uint32_t>(cell({"Source_Server_Id", "Master_Server_Id"}));
    source.io_running = says_yes(cell({"Replica_IO_Running", "Slave_IO_Running"}));
    source.sql_running = says_yes(cell({"Replica_SQL_Running", "Slave_SQL_Running"}));
    if (const auto* behind = cell({"Seconds_Behind_Source", "Seconds_Behind_Master"}))
      source.seconds_behind = number<std::uint64_t>(behind);
    // An error of the SQL thread is the graver one: it will not mend by itself.
    for (const char* name : {"Last_SQL_Error", "Last_IO_Error"})
      if (source.last_error.empty()) source.last_error = text_of(table.find(row, name));
    sources.push_back(std::move(source));
  }
  return sources;
}

Observation Probe::look(TimePoint deadline) {
  Observation seen;
  seen.started_at = Clock::now();
  bool fresh = client_ == nullptr;
  std::optional<SqlError> error;
  for (;;) {
    if (client_ == nullptr) error = connect(deadline);
    if (!error) error = ask(deadline, seen);
    if (!error) break;
    disconnect();
    if (fresh || error->kind != SqlError::Kind::lost) break;
    fresh = true;
    error.reset();
  }
  seen.finished_at = Clock::now();
  seen.alive = !error;
  if (error) seen.error = std::move(error->text);
  return seen;
}

std::optional<SqlError> Probe::connect(TimePoint deadline) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return SqlError{SqlError::Kind::interrupted, 0, "stopping"};
    client_ = std::make_unique<SqlClient>();
  }
  if (auto error = client_->connect(target_, deadline)) return error;
  SqlReply reply = client_->ask(version_statement, deadline);
  if (reply.error) return std::move(reply.error);
  if (reply.tables.empty()) return SqlError{SqlError::Kind::lost, 0, "it tells no version"};
  engine_ =
      read_version(text_of(reply.tables[0].find(0, "v")), text_of(reply.tables[0].find(0, "c")));
  statements_ = probe_statements(engine_);
  collation_.clear();
  return std::nullopt;
}

std::optional<SqlError> Probe::ask(TimePoint deadline, Observation& observation) {
  observation.started_at = Clock::now();
  SqlReply reply = client_->ask(statements_, deadline);
  if (reply.tables.empty() || (reply.error && reply.error->kind != SqlError::Kind::refused)) {
    if (reply.error) return std::move(reply.error);
    return SqlError{SqlError::Kind::lost, 0, "it gave no variables"};
  }
  if (!read_variables(reply.tables[0], engine_, observation))
    return SqlError{SqlError::Kind::lost, 0, "its variables cannot be read"};
  observation.replication_known = reply.tables.size() > 1;
  observation.sources.clear();
  if (observation.replication_known) observation.sources = read_sources(reply.tables[1]);

  const std::string collation = text_of(reply.tables[0].find(0, "collation"));
  if (collation != collation_) {
    learn_collation(deadline);
    collation_ = collation;
  }
  observation.collation_id = collation_id_;
  return std::nullopt;
}

// Seldom asked, and nothing is decided by it: if it fails it stays 0.
void Probe::learn_collation(TimePoint deadline) {
  collation_id_ = 0;
  const SqlReply reply = client_->ask(collation_statement(engine_), deadline);
  if (!reply.tables.empty()) collation_id_ = number<std::uint16_t>(reply.tables[0].find(0, "id"));
}

void Probe::disconnect() noexcept {
  const std::scoped_lock lock(mutex_);
  client_.reset();
}

int Probe::descriptor() const noexcept { return client_ ? client_->descriptor() : -1; }

void Probe::interrupt() noexcept {
  const std::scoped_lock lock(mutex_);
  if (client_) client_->interrupt();
}

void Probe::stop() noexcept {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  if (client_) client_->interrupt();
}

}  // namespace sluice::proxy
