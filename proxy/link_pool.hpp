/// One worker's links that wait for their next user, and the way to get one.
///
/// Links are alike if they go to the same backend in the same role, for the same
/// account, with the same result-shaping capabilities and login collation, and
/// agree on whether a schema was ever selected (no command unselects one).
/// Among alike links the one whose image needs the least to become what the
/// session wants is taken.
///
///   obtain ──► idle one of the kind ──► Place
///          └─► budget free ──► open ──► Place
///          └─► wait for a link to come back, until the deadline
///
/// A `Place` returns its link when it is destroyed or released: to the idle ones
/// if it is quiet, clean and current, otherwise it is closed.
/// Thread: its worker's; the budgets are shared by all workers.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/link_opener.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// What makes links interchangeable.
struct LinkKind {
  std::size_t backend = 0;
  routing::LinkRole role = routing::LinkRole::primary;
  std::string user;
  protocol::Capabilities capabilities = 0;
  std::uint16_t collation = 45;
  bool schema_selected = false;

  friend auto operator<=>(const LinkKind&, const LinkKind&) = default;
  /// `schema_selected` changes over a link's life, the rest does not.
  [[nodiscard]] bool same_but_schema(LinkKind other) const {
    other.schema_selected = schema_selected;
    return *this == other;
  }
};

class LinkPool;

/// The exclusive use of a link, given back by the destructor.
class Place {
 public:
  Place() = default;
  Place(LinkPool& pool, LinkKind kind, std::shared_ptr<Link> link)
      : pool_(&pool), kind_(std::move(kind)), link_(std::move(link)) {}
  Place(Place&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        kind_(std::move(other.kind_)),
        link_(std::move(other.link_)) {}
  Place& operator=(Place&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = std::exchange(other.pool_, nullptr);
      kind_ = std::move(other.kind_);
      link_ = std::move(other.link_);
    }
    return *this;
  }
  ~Place() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return link_ != nullptr; }
  [[nodiscard]] Link& operator*() const noexcept { return *link_; }
  [[nodiscard]] Link* operator->() const noexcept { return link_.get(); }
  [[nodiscard]] const std::shared_ptr<Link>& link() const noexcept { return link_; }
  [[nodiscard]] const LinkKind& kind() const noexcept { return kind_; }
  void release() noexcept;

 private:
  LinkPool* pool_ = nullptr;
  LinkKind kind_;
  std::shared_ptr<Link> link_;
};

struct PlaceRequest {
  LinkKind kind;                                 ///< `schema_selected` is derived from `wanted`
  const routing::StateVector* wanted = nullptr;  ///< the session's; borrowed over the await
  config::Secret password;
  Clock::time_point until;
  bool only_if_free = false;  ///< fail rather than wait, or ask others, for a place in the budget
};

struct PlaceOutcome {
  Place place;
  OpenFailure failure;  ///< meaningful if `place` is empty
};

enum class Yield : std::uint8_t {
  nothing,  ///< no such link is held without need
  now,      ///< it has been released
  soon,     ///< something has to be read from it first; it will be released then
};

/// Gives up links that are held without need when a budget is used up.
class LinkHolder {
 public:
  virtual ~LinkHolder() = default;
  /// Releases a softly held link to `backend`.
  virtual Yield yield_link(std::size_t backend) = 0;
};

/// Links that all workers may have open to one backend.
class LinkBudget {
 public:
  explicit LinkBudget(std::uint32_t limit) : limit_(limit) {}

  /// The right to one link, held as long as the token lives; null if used up.
  [[nodiscard]] std::shared_ptr<void> acquire() {
    if (used_.fetch_add(1, std::memory_order_relaxed) >= limit_ && limit_ != 0) {
      used_.fetch_sub(1, std::memory_order_relaxed);
      return nullptr;
    }
    const auto give_back = [](LinkBudget* budget) {
      budget->used_.fetch_sub(1, std::memory_order_relaxed);
    };
    return {this, give_back};
  }

 private:
  std::atomic<std::uint32_t> used_{0};
  std::uint32_t limit_;  // 0: none
};

class LinkPool {
 public:
  struct Environment {
    std::shared_ptr<const config::Settings> settings;
    Counters& counters;
    std::vector<std::unique_ptr<LinkBudget>>& budgets;    ///< by backend
    const std::vector<std::shared_ptr<TlsContext>>& tls;  ///< by backend; null where tls is off
    /// The budget is used up by others' links: asks them for one.
    std::function<void(std::size_t backend)> ask_others;
    SocketWatch* watch = nullptr;  ///< for the links' sockets; optional
  };

  LinkPool(Executor executor, Environment environment);
  ~LinkPool();
  LinkPool(const LinkPool&) = delete;
  LinkPool& operator=(const LinkPool&) = delete;

  Task<PlaceOutcome> obtain(PlaceRequest request);

  /// Registers whoever may be asked to give up a link.
  void add_holder(LinkHolder& holder);
  void remove_holder(LinkHolder& holder);

  /// Gives a place in the budget back, if one is held without need.
  Yield relieve(std::size_t backend);

  /// Closes idle links to `backend`, and lets those in use go when they come back.
  void retire(std::size_t backend);
  /// Closes idle links that have waited or lived for too long. Call now and then.
  void sweep(Clock::time_point now);
  /// Closes every link, for good: nobody obtains one any more.
  void close_all();

  /// Nothing speaks against using it on: it is open, not too old, and the backend's
  /// links have not been retired since.
  [[nodiscard]] bool current(const Link& link, Clock::time_point now) const;

  /// Cuts every link to `backend`, in use or not: it does not answer.
  void cut(std::size_t backend);

  [[nodiscard]] std::size_t idle_count() const noexcept;

 private:
  friend class Place;
  struct Waiter {
    explicit Waiter(Executor executor) : ready(std::move(executor)) {}
    Event ready;
    std::size_t backend = 0;
  };

  [[nodiscard]] std::shared_ptr<Link> take_idle(const PlaceRequest& request);
  [[nodiscard]] bool evict_idle(std::size_t backend);
  Task<PlaceOutcome> open(PlaceRequest& request, std::shared_ptr<void> token);
  [[nodiscard]] bool reusable(const Link& link, Clock::time_point now) const;
  void give_back(LinkKind kind, std::shared_ptr<Link> link) noexcept;
  void wake(std::size_t backend);

  Executor executor_;
  Environment environment_;
  std::map<LinkKind, std::vector<std::shared_ptr<Link>>> idle_;  // last returned last
  std::vector<std::weak_ptr<Link>> all_;                         // every link ever handed out
  std::vector<Clock::time_point> retired_at_;                    // by backend
  std::list<Waiter*> waiters_;
  std::list<LinkHolder*> holders_;
  bool closed_ = false;
};

}  // namespace sluice::proxy
