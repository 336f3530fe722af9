/// ClientSession's beginning: the login, and COM_CHANGE_USER.
#include <openssl/rand.h>

#include "protocol/session_track.hpp"
#include "proxy/client_session.hpp"
#include "proxy/drive.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

namespace cap = protocol::capability;

/// How long the primary's word on an account and its schemas is good.
constexpr std::chrono::seconds account_facts_last{60};

constexpr protocol::Capabilities offered_to_all =
    cap::found_rows | cap::long_flag | cap::connect_with_db | cap::no_schema | cap::odbc |
    cap::local_files | cap::ignore_space | cap::protocol_41 | cap::interactive |
    cap::ignore_sigpipe | cap::transactions | cap::reserved | cap::secure_connection |
    cap::multi_statements | cap::multi_results | cap::ps_multi_results | cap::plugin_auth |
    cap::connect_attrs | cap::plugin_auth_lenenc_data | cap::can_handle_expired_passwords |
    cap::session_track | cap::deprecate_eof;
constexpr protocol::Capabilities offered_by_mysql =
    cap::long_password | cap::optional_resultset_metadata | cap::query_attributes;
/// Not the caching of metadata: a server leaves the column definitions out when it has
/// sent them on that link before, be it to another session or to Sluice.
constexpr protocol::Capabilities offered_by_mariadb =
    cap::mariadb_stmt_bulk | cap::mariadb_extended_metadata;

protocol::Nonce fresh_nonce() {
  std::array<std::uint8_t, protocol::nonce_size> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  return protocol::make_nonce(random);
}

/// The primary as it is, or as it was last seen, or anybody.
const routing::Observation* model_backend(const routing::Topology& topology) {
  const routing::BackendView* view = topology.primary_view();
  if (view == nullptr) view = topology.find(topology.last_primary);
  if (view != nullptr && view->seen) return &*view->seen;
  for (const auto& backend : topology.backends)
    if (backend.seen) return &*backend.seen;
  return nullptr;
}

/// What a server's login OK tells a client with trackers of the schema it chose.
protocol::Buffer schema_tracker(std::string_view schema) {
  protocol::Buffer block;
  if (!schema.empty())
    protocol::append_track_entry(block, {.type = protocol::TrackType::schema, .value = schema});
  return block;
}

std::string host_of(const std::string& client) {
  const auto colon = client.rfind(':');
  if (client.starts_with("unix")) return "localhost";
  std::string host = client.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

protocol::ClientLoginParams ClientSession::login_params(const protocol::Nonce& nonce) const {
  Shared& shared = worker_.shared();
  const config::Listen& listen = shared.settings->listen;
  const routing::Observation* model = model_backend(*worker_.topology());
  const bool mariadb = model != nullptr && model->flavour == routing::Flavour::mariadb;

  protocol::ClientLoginParams params;
  params.greeting.connection_id = record_->id;
  params.greeting.nonce = nonce;
  params.greeting.capabilities = offered_to_all | (mariadb ? offered_by_mariadb : offered_by_mysql);
  params.greeting.auth_plugin =
      std::string(mariadb ? protocol::auth_plugin::native : protocol::auth_plugin::caching_sha2);
  if (model != nullptr) {
    if (model->collation_id != 0)
      params.greeting.collation = static_cast<std::uint8_t>(model->collation_id & 0xff);
    params.greeting.status = model->autocommit ? protocol::status::autocommit : 0;
    // MariaDB before 11 greets with this prefix, and its connectors expect it.
    const bool prefixed = mariadb && model->version_number < 110000;
    params.greeting.server_version = (prefixed ? "5.5.5-" : "") + model->version;
  } else {
    params.greeting.server_version = "8.0.0-Sluice";
  }
  if (!listen.server_version.empty()) params.greeting.server_version = listen.server_version;
  params.tls = !shared.client_tls                         ? protocol::ClientTls::off
               : listen.tls == config::ClientTls::require ? protocol::ClientTls::required
               : listen.tls == config::ClientTls::offer   ? protocol::ClientTls::offered
                                                          : protocol::ClientTls::off;
  params.channel = channel_;
  params.client_host = host_of(record_->client);
  params.rsa_key = &shared.rsa_key;
  return params;
}

Task<bool> ClientSession::log_in() {
  Shared& shared = worker_.shared();
  nonce_ = fresh_nonce();
  protocol::ClientLogin login(login_params(nonce_), shared.accounts);
  DriveOptions options{.until = Clock::now() + shared.settings->listen.login_timeout,
                       .tls = shared.client_tls.get(),
                       .role = TlsRole::server,
                       .verify_name = {}};
  const error_code error = co_await drive(login, stream_, options, login.start());
  if (error) {
    add(shared.counters.clients_refused);
    log::info("login", "session {} from {} user '{}' refused: {}", record_->id, record_->client,
              login.identity().user, error.message());
    co_return false;
  }
  identity_ = login.take_identity();
  const config::User* user = config::find_user(*shared.settings, identity_->user);
  if (user == nullptr) co_return false;  // Accounts and settings are one and the same
  if (identity_->schema.empty()) identity_->schema = user->default_schema;
  std::optional<protocol::Buffer> refusal;
  if (user->tls_required && !protocol::is_secure(identity_->channel)) {
    login.reject(3159, "HY000",
                 "Connections using insecure transport are prohibited for this account.");
    refusal.emplace();
  } else if (user->max_connections != 0 &&
             shared.sessions.count_of(user->name) >= user->max_connections) {
    login.reject(1226, "42000",
                 "User '" + user->name +
                     "' has exceeded the 'max_user_connections' resource (current value: " +
                     std::to_string(user->max_connections) + ")");
    refusal.emplace();
  } else {
    refusal = co_await check_account(*identity_, *user);
    if (refusal) {
      login.answer(*refusal);
    } else {
      co_await begin(*identity_, *user);
      login.accept(runner_.status(), schema_tracker(identity_->schema));
    }
  }
  if (refusal) add(shared.counters.clients_refused);
  const error_code lost = co_await stream_.write_all(login.outgoing());
  co_return !lost && !refusal;
}

/// Asks the primary whether the account may log in and use the schema, unless it
/// said so a short while ago. Without a primary the answer is yes: the first
/// statement will tell.
Task<std::optional<protocol::Buffer>> ClientSession::check_account(
    const protocol::ClientIdentity& identity, const config::User& user) {
  auto& facts = worker_.accounts()[identity.user];
  const auto now = Clock::now();
  const auto fresh = [now](Clock::time_point at) { return now - at < account_facts_last; };
  const auto known = facts.schemas.find(identity.schema);
  if (fresh(facts.learnt_at) &&
      (identity.schema.empty() || (known != facts.schemas.end() && fresh(known->second)))) {
    co_return std::nullopt;
  }
  const auto topology = worker_.topology();
  if (!topology->primary) co_return std::nullopt;

  const routing::StateVector nothing;
  const auto shape = (identity.capabilities & protocol::result_shaping_capabilities) |
                     protocol::capability::session_track;
  PlaceRequest request{.kind = {*topology->primary, routing::LinkRole::primary, identity.user,
                                shape, identity.collation, false},
                       .wanted = &nothing,
                       .password = user.password,
                       .until = now + worker_.shared().settings->listen.login_timeout};
  PlaceOutcome outcome = co_await worker_.pool().obtain(std::move(request));
  const auto err_payload = [&](const protocol::Refusal& refusal) {
    protocol::Buffer packet;
    const protocol::ErrPacket err{refusal.code, refusal.sqlstate, refusal.message};
    protocol::append_err(packet, err, identity.capabilities, 0);
    packet.erase(packet.begin(), packet.begin() + protocol::packet_header_size);
    return packet;
  };
  if (!outcome.place) {
    if (outcome.failure.refusal) co_return err_payload(*outcome.failure.refusal);
    worker_.shared().traffic_error(*topology->primary);
    co_return std::nullopt;
  }
  if (!identity.schema.empty()) {
    InternalQuery use(worker_.executor());
    const error_code error =
        co_await use.run(outcome.place.link(), identity.schema, protocol::Command::init_db);
    if (!error && use.refusal()) co_return use.refusal_payload();
    worker_.accounts()[identity.user].schemas[identity.schema] = Clock::now();
  }
  worker_.accounts()[identity.user].learnt_at = Clock::now();
  co_return std::nullopt;
}

Task<> ClientSession::begin(const protocol::ClientIdentity& identity, const config::User& user) {
  const config::Settings& settings = *worker_.shared().settings;
  const routing::RoutePolicy policy{
      .max_lag = user.max_lag.value_or(settings.routing.max_lag),
      .backend_max_lag = worker_.backend_max_lag(),
      .read_your_writes = settings.routing.causal != config::Causal::off,
      .share_reads_with_primary =
          settings.routing.reads_on_primary == config::ReadsOnPrimary::share};
  const routing::Observation* model = model_backend(*worker_.topology());
  const bool autocommit = model == nullptr || model->autocommit;
  const std::uint16_t status = autocommit ? protocol::status::autocommit : 0;
  runner_.begin_session(identity, status, user.password, policy);
  record_->set_names({identity.user, identity.schema});
  co_return;
}

Task<Next> ClientSession::change_user(Work& work) {
  Shared& shared = worker_.shared();
  error_code error = co_await stream_.fill_to(work.buffered);
  if (error) co_return Next::close;
  const protocol::Bytes packet = stream_.input().first(work.buffered);
  const protocol::Buffer payload(packet.begin() + protocol::packet_header_size, packet.end());
  stream_.consume(work.buffered);
  work.buffered = 0;

  protocol::ClientLogin login(login_params(nonce_), shared.accounts);
  DriveOptions options{.until = Clock::now() + shared.settings->listen.login_timeout,
                       .tls = nullptr,
                       .role = TlsRole::server,
                       .verify_name = {}};
  const auto first = login.start_change_user(payload, 0, *identity_);
  // A server hangs up on a client that fails here; so do we.
  error = co_await drive(login, stream_, options, first);
  if (error) co_return Next::close;
  protocol::ClientIdentity identity = login.take_identity();
  // COM_SET_OPTION outlives it.
  identity.capabilities =
      static_cast<protocol::Capabilities>((identity.capabilities & ~cap::multi_statements) |
                                          (runner_.capabilities() & cap::multi_statements));
  const config::User* user = config::find_user(*shared.settings, identity.user);
  if (user == nullptr) co_return Next::close;
  if (identity.schema.empty()) identity.schema = user->default_schema;
  const auto refusal = co_await check_account(identity, *user);
  if (refusal) {
    login.answer(*refusal);
    co_await stream_.write_all(login.outgoing());
    co_return Next::close;
  }
  identity_ = std::move(identity);
  co_await begin(*identity_, *user);
  co_await runner_.forget_login_modes();
  login.accept(runner_.status(), schema_tracker(identity_->schema));
  error = co_await stream_.write_all(login.outgoing());
  co_return error ? Next::close : Next::go_on;
}

}  // namespace sluice::proxy
