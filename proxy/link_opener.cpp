#include "proxy/link_opener.hpp"

#include <array>
#include <utility>

#include "proxy/drive.hpp"
#include "proxy/internal_query.hpp"

namespace sluice::proxy {
namespace {

using protocol::Flavour;
using routing::LinkRole;

constexpr std::string_view track_mysql =
    "SET SESSION session_track_system_variables='*', SESSION session_track_schema=ON, "
    "SESSION session_track_state_change=ON, SESSION session_track_gtids=OWN_GTID";
constexpr std::string_view track_mariadb =
    "SET SESSION session_track_system_variables='*', SESSION session_track_schema=ON, "
    "SESSION session_track_state_change=ON";
constexpr std::string_view guard = "SET SESSION TRANSACTION READ ONLY";

protocol::TlsWish tls_wish(config::BackendTls tls) {
  switch (tls) {
    case config::BackendTls::off: return protocol::TlsWish::off;
    case config::BackendTls::prefer: return protocol::TlsWish::prefer;
    case config::BackendTls::require:
    case config::BackendTls::verify: return protocol::TlsWish::require;
  }
  return protocol::TlsWish::off;
}

protocol::BackendLoginParams login_params(const OpenRequest& request) {
  protocol::BackendLoginParams params;
  params.user = request.user;
  params.password = protocol::Secret(request.password.reveal());
  params.wanted = request.capabilities;
  params.collation = request.collation;
  params.tls = tls_wish(request.tls);
  if (request.address.kind == config::Address::Kind::unix_socket) {
    params.channel = protocol::Channel::unix_socket;
    params.tls = protocol::TlsWish::off;
  }
  params.attributes = {{"_client_name", "sluice"}, {"program_name", "sluice"}};
  return params;
}

constexpr std::string_view decided_by_login =
    "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, "
    "@@collation_connection, @@sql_mode, @@wait_timeout, "
    "@@global.character_set_client, @@global.character_set_connection, "
    "@@global.character_set_results, @@global.collation_connection, @@global.sql_mode, "
    "@@global.collation_database";
constexpr std::array<std::string_view, 6> decided_names{"character_set_client",
                                                        "character_set_connection",
                                                        "character_set_results",
                                                        "collation_connection",
                                                        "sql_mode",
                                                        "wait_timeout"};
// The columns behind those, by what COM_RESET_CONNECTION does with them: MySQL forgets
// the login's collation and keeps the mode of its CLIENT_IGNORE_SPACE, MariaDB does the
// opposite. Both forget what follows the schema, and keep the schema.
constexpr std::array<std::string_view, 6> global_names{"character_set_client",
                                                       "character_set_connection",
                                                       "character_set_results",
                                                       "collation_connection",
                                                       "sql_mode",
                                                       "collation_database"};

bool reset_forgets(Flavour flavour, std::string_view name) {
  if (name == "collation_database") return true;
  return (name == "sql_mode") == (flavour == Flavour::mariadb);
}

void learn_baseline(Link& link, const InternalQuery::Row& row) {
  for (std::size_t i = 0; i < decided_names.size(); ++i)
    link.baseline.set(decided_names[i], row[i].value_or(""));
  link.baseline.set(routing::StateVector::results_collation, row[3].value_or(""));
  auto after_reset = std::make_shared<routing::StateVector>();
  for (std::size_t i = 0; i < global_names.size(); ++i) {
    const std::string_view name = global_names[i];
    const std::string value = row[decided_names.size() + i].value_or("");
    const std::string* of_login = link.baseline.find(name);
    const bool differs = of_login == nullptr || *of_login != value;
    if (!differs || !reset_forgets(link.facts().flavour, name)) continue;
    after_reset->set(name, value);
    if (name == "collation_connection")
      after_reset->set(routing::StateVector::results_collation, value);
  }
  link.after_reset = std::move(after_reset);
}

/// What a login does with a collation whose id does not fit its packet.
Task<error_code> set_names(std::shared_ptr<Link> link, std::uint16_t collation) {
  InternalQuery query(link->executor());
  std::string statement = "SET SESSION collation_connection=" + std::to_string(collation);
  error_code error = co_await query.run(link, std::move(statement));
  if (error) co_return error;
  statement = "SET NAMES DEFAULT";  // a server that does not know the collation takes its own
  if (!query.refusal()) {
    std::string question = "SELECT @@character_set_connection, @@collation_connection";
    error = co_await query.run(link, std::move(question));
    if (error) co_return error;
    if (query.rows().size() == 1 && query.rows()[0].size() == 2)
      statement = "SET NAMES " + query.rows()[0][0].value_or("") + " COLLATE " +
                  query.rows()[0][1].value_or("");
  }
  error = co_await query.run(link, std::move(statement));
  co_return error;
}

/// The statements one after the other; where the backend refuses one, its ERR.
Task<OpenFailure> set_up(std::shared_ptr<Link> link, const OpenRequest& request) {
  OpenFailure failure;
  InternalQuery query(link->executor());
  if (link->facts().needs_set_names) {
    failure.error = co_await set_names(link, request.collation);
    if (failure.error) co_return failure;
  }
  const bool mariadb = link->facts().flavour == Flavour::mariadb;
  std::vector<std::string> statements;
  statements.emplace_back(mariadb ? track_mariadb : track_mysql);
  if (request.role == LinkRole::replica) statements.emplace_back(guard);
  statements.emplace_back(decided_by_login);
  for (const std::string& statement : statements) {
    failure.error = co_await query.run(link, statement);
    if (failure.error) co_return failure;
    if (query.refusal()) {
      failure = {protocol::make_error_code(protocol::Errc::refused), query.refusal(),
                 "setting up the session"};
      co_return failure;
    }
  }
  if (query.rows().size() == 1 &&
      query.rows()[0].size() == decided_names.size() + global_names.size()) {
    learn_baseline(*link, query.rows()[0]);
  }
  // What the trackers said of our own settings is no difference.
  link->image.clear();
  co_return failure;
}

}  // namespace

Task<OpenOutcome> open_link(Executor executor, OpenRequest request, BackendCounters& counters) {
  OpenOutcome outcome;
  const auto until = Clock::now() + request.deadline;
  Socket socket(executor);
  error_code error = co_await connect(socket, request.address, request.deadline);
  if (error) {
    outcome.failure.error = error;
    co_return outcome;
  }
  auto stream = std::make_unique<PacketStream>(std::move(socket));
  protocol::BackendLogin login(login_params(request));
  DriveOptions options{.until = until,
                       .tls = request.tls_context.get(),
                       .role = TlsRole::client,
                       .verify_name = request.tls == config::BackendTls::verify
                                          ? request.address.host
                                          : std::string{}};
  error = co_await drive(login, *stream, options, login.start());
  if (error) {
    outcome.failure = {error, login.refusal(), login.detail()};
    co_return outcome;
  }
  if (request.watch != nullptr) stream->watch(*request.watch);
  auto link = std::make_shared<Link>(std::move(stream), login.facts(), request.backend,
                                     request.role, counters);
  Link::start(link);
  auto cut = [weak = std::weak_ptr<Link>(link)] {
    if (auto late = weak.lock()) late->close(asio::error::timed_out);
  };
  const Deadline deadline(executor, until, cut);
  outcome.failure = co_await set_up(link, request);
  if (outcome.failure.error) {
    link->close(outcome.failure.error);
    co_return outcome;
  }
  outcome.link = std::move(link);
  co_return outcome;
}

}  // namespace sluice::proxy
