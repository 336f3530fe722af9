#include "proxy/app.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>

#include "proxy/admin_server.hpp"
#include "proxy/digest_survey.hpp"
#include "proxy/failover_agent.hpp"
#include "proxy/http_routes.hpp"
#include "proxy/http_server.hpp"
#include "proxy/listener.hpp"
#include "proxy/log.hpp"
#include "proxy/monitor.hpp"
#include "proxy/tls_contexts.hpp"
#include "proxy/version.hpp"
#include "proxy/worker.hpp"

namespace sluice::proxy {
namespace {

constexpr std::chrono::milliseconds drain_check{50};

/// The configured users, as the login asks for them.
class ConfiguredAccounts final : public protocol::Accounts {
 public:
  explicit ConfiguredAccounts(std::shared_ptr<const config::Settings> settings)
      : settings_(std::move(settings)) {}

  [[nodiscard]] protocol::Verifier find(std::string_view user) const override {
    protocol::Verifier verifier;
    if (const config::User* account = config::find_user(*settings_, user))
      verifier.password = protocol::Secret(account->password.reveal());
    return verifier;
  }

 private:
  std::shared_ptr<const config::Settings> settings_;
};

protocol::RsaKey make_rsa_key() {
  auto key = protocol::RsaKey::generate();
  if (!key) throw StartupError("cannot make an RSA key: " + key.error().message());
  return std::move(*key);
}

/// Each client and each link is a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t worker_count(const config::Settings& settings) {
  if (settings.process.threads != 0) return settings.process.threads;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

class App::Parts final : public AdminTarget {
 public:
  explicit Parts(config::Settings settings);
  ~Parts() override;

  void run();

 private:
  [[nodiscard]] std::shared_ptr<const routing::Topology> topology() const override {
    return topology_.load();
  }
  [[nodiscard]] const Counters& counters() const override { return counters_; }
  [[nodiscard]] const SessionRegistry& sessions() const override { return sessions_; }
  [[nodiscard]] const config::Settings& settings() const override { return *settings_; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> status() const override;
  [[nodiscard]] std::vector<routing::DigestRow> digests() override {
    return survey_digests(workers_);
  }
  void reset_digests() override {
    for (const auto& worker : workers_)
      worker->visit_digests([](routing::DigestTable& table) { table.clear(); });
  }
  [[nodiscard]] Phase phase() const override { return phase_; }
  bool set_backend(std::string_view name, routing::AdminState state, std::string by,
                   std::string why) override;
  bool kill(std::uint64_t session, KillScope scope) override;
  [[nodiscard]] FailoverReport failover() const override { return failover_.report(); }
  [[nodiscard]] routing::Plan failover_plan() const override { return failover_.dry_run(); }
  [[nodiscard]] routing::Plan switchover(std::string_view to, std::string by) override {
    return failover_.switchover(to, std::move(by));
  }

  void listen_for_http();
  [[nodiscard]] FailoverLinks failover_links();
  [[nodiscard]] std::size_t open_transactions(std::size_t backend) const;
  void on_topology(const routing::Topology& before, const routing::Topology& after);
  void on_signal();
  Task<> wait_for_first_round();
  Task<> drain_and_stop();
  void stop_now();

  std::shared_ptr<const config::Settings> settings_;
  asio::io_context control_{1};
  Counters counters_;
  SessionRegistry sessions_;
  Acknowledged acknowledged_;
  Published<routing::Topology> topology_;
  RoutineWatch routines_;
  ConfiguredAccounts accounts_;
  protocol::RsaKey rsa_key_;
  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Monitor monitor_;
  FailoverAgent failover_;
  Listener listener_;
  std::optional<AdminServer> admin_;
  std::optional<HttpRoutes> http_routes_;
  std::optional<HttpServer> http_;
  asio::basic_signal_set<Executor> signals_;
  Timer timer_;
  Clock::time_point started_at_ = Clock::now();
  Phase phase_ = Phase::starting;
  int signals_seen_ = 0;
};

App::Parts::Parts(config::Settings settings)
    : settings_(std::make_shared<const config::Settings>(std::move(settings))),
      counters_(settings_->backends.size()),
      acknowledged_(worker_count(*settings_)),
      topology_(std::make_shared<const routing::Topology>()),
      routines_(settings_, topology_),
      accounts_(settings_),
      rsa_key_(make_rsa_key()),
      shared_{.settings = settings_,
              .topology = topology_,
              .routines = routines_,
              .counters = counters_,
              .sessions = sessions_,
              .accounts = accounts_,
              .rsa_key = rsa_key_,
              .client_tls = make_client_tls(settings_->listen),
              .backend_tls = {},
              .budgets = {},
              .acknowledged = acknowledged_,
              .traffic_error = [this](std::size_t backend) { monitor_.traffic_error(backend); },
              .ask_for_relief =
                  [this](std::size_t worker, std::size_t backend) {
                    for (std::size_t i = 0; i < workers_.size(); ++i)
                      if (i != worker) workers_[i]->relieve(backend);
                  },
              .kill = [this](const SessionRecord& record,
                             KillScope scope) { workers_[record.worker]->kill(record.id, scope); }},
      monitor_(
          control_, settings_, topology_,
          [this](const routing::Topology& before, const routing::Topology& after) {
            on_topology(before, after);
          },
          [this](std::size_t backend) {
            return read(counters_.backends[backend]->bytes_received);
          }),
      failover_(settings_, failover_links()),
      listener_(control_, shared_, workers_),
      signals_(control_.get_executor()),
      timer_(control_.get_executor()) {
  for (const config::Backend& backend : settings_->backends) {
    shared_.backend_tls.push_back(make_backend_tls(backend));
    shared_.budgets.push_back(
        std::make_unique<LinkBudget>(backend.max_links.value_or(settings_->pool.max_links)));
  }
  const std::size_t count = worker_count(*settings_);
  for (std::size_t i = 0; i < count; ++i)
    workers_.push_back(std::make_unique<Worker>(i, count, shared_));
}

App::Parts::~Parts() {
  failover_.stop();
  routines_.stop();
  monitor_.stop();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
}

void App::Parts::run() {
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // a terminal that goes away is no reason to stop
  listener_.bind();
  if (settings_->admin.is_open()) {
    admin_.emplace(control_, settings_->admin, rsa_key_, shared_.client_tls, *this);
    try {
      admin_->listen();
    } catch (const std::runtime_error& error) {
      throw StartupError(error.what());
    }
    log::info("listen", "the admin port is {}", config::to_string(*settings_->admin.address));
  } else {
    log::info("listen", "the admin port is closed: admin.password is not set");
  }
  listen_for_http();
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  auto on_signal_received = [this](error_code error, int) {
    if (!error) on_signal();
  };
  signals_.async_wait(on_signal_received);
  for (const auto& worker : workers_) worker->start();
  monitor_.start();
  failover_.start();
  routines_.start();
  asio::co_spawn(control_.get_executor(), wait_for_first_round(), rethrow);
  control_.run();
}

void App::Parts::listen_for_http() {
  if (!settings_->http.address) return;
  http_routes_.emplace(*this);
  http_.emplace(control_, *settings_->http.address, [this](const HttpRequest& request) {
    return http_routes_->answer(request, {Clock::now(), std::chrono::system_clock::now()});
  });
  http_->listen();
  log::info("listen", "metrics and the dashboard are on {}",
            config::to_string(*settings_->http.address));
}

/// Clients are let in when each backend has answered or failed once: the greeting
/// then has the primary's version, and the first statement a place to go.
Task<> App::Parts::wait_for_first_round() {
  while (!monitor_.first_round_done() && signals_seen_ == 0) {
    timer_.expires_after(drain_check / 5);
    co_await timer_.async_wait(use_result);
  }
  if (signals_seen_ > 0) co_return;
  const auto topology = topology_.load();
  const auto* primary = topology->primary_view();
  log::info("start", "sluice {} serves with {} workers; primary: {} ({})", version, workers_.size(),
            primary != nullptr ? primary->name : "none",
            routing::to_string(topology->primary_reason));
  listener_.start();
  phase_ = Phase::serving;
}

void App::Parts::on_topology(const routing::Topology& before, const routing::Topology& after) {
  const auto shared_before = std::make_shared<const routing::Topology>(before);
  const auto shared_after = std::make_shared<const routing::Topology>(after);
  for (const auto& worker : workers_) worker->topology_changed(shared_before, shared_after);
  failover_.topology_changed();
}

FailoverLinks App::Parts::failover_links() {
  const auto counted = [this](std::size_t backend) -> const BackendCounters& {
    return *counters_.backends[backend];
  };
  return {
      .topology = [this] { return topology_.load(); },
      .on_control = [this](std::function<void()> what) { asio::post(control_, std::move(what)); },
      .rule = [this](const std::string& appointed, bool held) { monitor_.rule(appointed, held); },
      .probe_now = [this](const std::string& backend) { monitor_.probe_now(backend); },
      .first_round_done = [this] { return monitor_.first_round_done(); },
      .open_transactions = [this](std::size_t backend) { return open_transactions(backend); },
      .in_flight = [counted](std::size_t backend) { return read(counted(backend).in_flight); },
      .answered = [counted](std::size_t backend) { return read(counted(backend).bytes_received); },
      .link_errors = [counted](std::size_t backend) { return read(counted(backend).link_errors); },
      .acknowledged = [this] { return acknowledged_.gather(); },
      .forget_acknowledged =
          [this](const routing::GtidSet& shown) { acknowledged_.forget(shown); }};
}

std::size_t App::Parts::open_transactions(std::size_t backend) const {
  std::size_t count = 0;
  for (const auto& session : sessions_.all())
    if (session->in_transaction && session->backend == static_cast<std::int32_t>(backend)) ++count;
  return count;
}

void App::Parts::on_signal() {
  ++signals_seen_;
  auto next = [this](error_code error, int) {
    if (!error) on_signal();
  };
  signals_.async_wait(next);
  phase_ = Phase::draining;
  if (signals_seen_ > 1) {
    log::warning("stop", "second signal: stopping at once");
    stop_now();
    return;
  }
  log::info("stop", "draining {} sessions, for {} ms at most", sessions_.size(),
            settings_->shutdown.grace.count());
  asio::co_spawn(control_.get_executor(), drain_and_stop(), rethrow);
}

Task<> App::Parts::drain_and_stop() {
  listener_.stop();
  for (const auto& worker : workers_) worker->drain();
  const auto until = Clock::now() + settings_->shutdown.grace;
  while (sessions_.size() > 0 && Clock::now() < until && signals_seen_ < 2) {
    timer_.expires_after(drain_check);
    co_await timer_.async_wait(use_result);
  }
  if (sessions_.size() > 0)
    log::warning("stop", "{} sessions did not end in time", sessions_.size());
  stop_now();
}

void App::Parts::stop_now() {
  listener_.stop();
  if (admin_) admin_->stop();
  if (http_) http_->stop();
  failover_.stop();
  routines_.stop();
  monitor_.stop();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  control_.stop();
  log::info("stop", "stopped");
}

std::vector<std::pair<std::string, std::string>> App::Parts::status() const {
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started_at_).count();
  return {{"version", std::string(version)},
          {"uptime_seconds", std::to_string(uptime)},
          {"workers", std::to_string(workers_.size())},
          {"reading_functions", std::to_string(routines_.published().load()->catalogue.size())}};
}

bool App::Parts::set_backend(std::string_view name, routing::AdminState state, std::string by,
                             std::string why) {
  return monitor_.set_admin_state(name, state, std::move(by), std::move(why));
}

bool App::Parts::kill(std::uint64_t session, KillScope scope) {
  const auto record = sessions_.find(session);
  if (!record) return false;
  shared_.kill(*record, scope);
  return true;
}

App::App(config::Settings settings) : parts_(std::make_unique<Parts>(std::move(settings))) {}
App::~App() = default;
void App::run() { parts_->run(); }

}  // namespace sluice::proxy
