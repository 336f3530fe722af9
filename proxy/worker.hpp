/// One thread, one io_context, and the sessions and links that live on it.
///
/// A session never migrates, so nothing here is locked. Other threads reach a
/// worker by `adopt`, `topology_changed`, `kill` and `stop`, which post.
///
///   start ──► running ──► drain (sessions end when they are idle) ──► stop ──► join
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "protocol/client_login.hpp"
#include "proxy/acknowledged.hpp"
#include "proxy/counters.hpp"
#include "proxy/link_pool.hpp"
#include "proxy/published.hpp"
#include "proxy/routine_watch.hpp"
#include "proxy/session_registry.hpp"
#include "proxy/shared_links.hpp"
#include "routing/digest_table.hpp"

namespace sluice::proxy {

class ClientSession;

/// What all workers share. Everything in it is immutable or safe for threads,
/// and outlives them.
struct Shared {
  std::shared_ptr<const config::Settings> settings;
  Published<routing::Topology>& topology;
  RoutineWatch& routines;
  Counters& counters;
  SessionRegistry& sessions;
  const protocol::Accounts& accounts;
  const protocol::RsaKey& rsa_key;
  std::shared_ptr<TlsContext> client_tls;                ///< null: TLS is off
  std::vector<std::shared_ptr<TlsContext>> backend_tls;  ///< null where TLS is off
  std::vector<std::unique_ptr<LinkBudget>> budgets;      ///< by backend
  Acknowledged& acknowledged;
  /// Tells the monitor that a backend refused or dropped a link.
  std::function<void(std::size_t backend)> traffic_error;
  /// Asks the other workers for a link's place in the budget; see Worker::relieve.
  std::function<void(std::size_t worker, std::size_t backend)> ask_for_relief;
  /// Reaches the worker of a session; see Worker::kill.
  std::function<void(const SessionRecord&, KillScope)> kill;
};

class Worker {
 public:
  /// `workers`: how many there are, since they divide some budgets among them.
  Worker(std::size_t index, std::size_t workers, Shared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();

  // --- from any thread ---

  /// Takes over an accepted connection.
  void adopt(Socket::native_handle_type socket, asio::generic::stream_protocol protocol,
             std::shared_ptr<SessionRecord> record, protocol::Channel channel);
  /// A publication that matters to traffic: roles, health, exclusions.
  void topology_changed(std::shared_ptr<const routing::Topology> before,
                        std::shared_ptr<const routing::Topology> after);
  void kill(std::uint32_t session, KillScope scope);
  /// Idle sessions end now, the others when they become idle.
  void drain();
  /// Lets `visit` look at what this worker has learnt of the statements, on its thread.
  void visit_digests(std::function<void(routing::DigestTable&)> visit);
  /// Another worker waits for a link to `backend`: gives up one that is not needed.
  void relieve(std::size_t backend);
  /// Ends everything and stops the thread's loop; join() afterwards.
  void stop();
  void join();

  [[nodiscard]] std::size_t session_count() const noexcept {
    return session_count_.load(std::memory_order_relaxed);
  }

  // --- for sessions, on the worker's thread ---

  [[nodiscard]] Executor executor() { return context_.get_executor(); }
  [[nodiscard]] Shared& shared() noexcept { return shared_; }
  [[nodiscard]] LinkPool& pool() noexcept { return pool_; }
  [[nodiscard]] SocketWatch& socket_watch() noexcept { return socket_watch_; }
  [[nodiscard]] SharedLinks& shared_links() noexcept { return shared_links_; }
  [[nodiscard]] routing::DigestTable& digests() noexcept { return digests_; }
  [[nodiscard]] const std::shared_ptr<const routing::Topology>& topology() {
    return topology_.get();
  }
  /// The stored functions that only read, or null if nothing that holds is known.
  [[nodiscard]] const routing::RoutineCatalogue* routines() {
    const auto& known = routines_.get();
    return shared_.routines.holds(*known, Clock::now()) ? &known->catalogue : nullptr;
  }
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] std::uint64_t luck() { return random_(); }
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  /// The load of all backends, by index; good until the next call.
  [[nodiscard]] std::span<const routing::Load> load();
  /// Waits until the topology changes or `until` passes; false then.
  Task<bool> topology_change(Clock::time_point until);

  /// The backends' own bounds on lag, by index.
  [[nodiscard]] std::span<const std::optional<std::chrono::milliseconds>> backend_max_lag()
      const noexcept {
    return backend_max_lag_;
  }

  /// What a login needs to know of an account, learnt from the primary.
  struct AccountFacts {
    Clock::time_point learnt_at{};
    std::unordered_map<std::string, Clock::time_point> schemas;  ///< that it may use
  };
  [[nodiscard]] std::unordered_map<std::string, AccountFacts>& accounts() noexcept {
    return account_facts_;
  }

 private:
  struct Running;

  Task<> housekeeping();
  void end_session(std::list<std::unique_ptr<ClientSession>>::iterator at);

  std::size_t index_;
  Shared& shared_;
  asio::io_context context_{1};
  asio::executor_work_guard<Executor> work_;
  SocketWatch socket_watch_;
  LinkPool pool_;
  SharedLinks shared_links_;
  Published<routing::Topology>::View topology_;
  Published<Routines>::View routines_;
  std::mt19937_64 random_;
  routing::DigestTable digests_;
  std::list<std::unique_ptr<ClientSession>> sessions_;
  std::list<Event*> topology_waiters_;
  std::vector<routing::Load> load_;
  std::vector<std::optional<std::chrono::milliseconds>> backend_max_lag_;
  std::unordered_map<std::string, AccountFacts> account_facts_;
  std::unique_ptr<Timer> housekeeping_timer_;
  std::atomic<std::size_t> session_count_{0};
  bool draining_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::proxy
