/// The links of one worker on which the reads of many sessions go back to back.
///
/// Sessions that would use the same kind of link in the same state form a group;
/// the group has a few links, and a read joins the one with the fewest exchanges:
///
///   join ──► a link ──► send on it, flush_soon ──► wait for the reply ──► left
///        └─► none has room: wait, then join again
///
/// A link belongs to the group as long as it is shared. When its first exchange is
/// slow, the watch evacuates it (see Link); when that reply is complete the link is
/// shared again, or the session takes it with `take` to have it alone.
///
/// The pool may ask for a link back: then nobody joins it any more, and it returns
/// when the last reply is complete.
/// Lifetime: a group lives as long as a session refers to it, or a link is being
/// opened for it. Thread: its worker's.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/link_pool.hpp"
#include "proxy/prepared_statement.hpp"
#include "routing/digest.hpp"
#include "routing/link_target.hpp"

namespace sluice::proxy {

class SharedLinks;

class SharedGroup {
 public:
  SharedGroup(SharedLinks& owner, LinkKind kind, routing::StateVector state);
  ~SharedGroup();
  SharedGroup(const SharedGroup&) = delete;
  SharedGroup& operator=(const SharedGroup&) = delete;

  /// A link on which a read may be sent at once; null: none has room, wait.
  [[nodiscard]] std::shared_ptr<Link> join(const std::shared_ptr<SharedGroup>& self,
                                           const config::Secret& password, Clock::time_point now);
  /// Waits for room; false if there will be none, or not before `until`.
  Task<bool> wait(Clock::time_point until);
  /// The exchange of one who joined has ended, or will be dropped.
  void left(const std::shared_ptr<Link>& link);
  /// The link, to be had alone; empty if the group does not have it (any more).
  [[nodiscard]] Place take(const std::shared_ptr<Link>& link);

  [[nodiscard]] routing::LinkRole role() const noexcept { return kind_.role; }
  [[nodiscard]] std::size_t backend() const noexcept { return kind_.backend; }
  /// Sessions that refer to it.
  std::size_t members = 0;

 private:
  friend class SharedLinks;
  struct Member {
    Place place;
    bool leaving = false;  ///< nobody joins it; it goes back when it is quiet
    /// For the watch: the first exchange at its last look, and how often since then
    /// the other links have moved on.
    Clock::time_point front{};
    unsigned passed = 0;
    bool moved = false;  ///< between the last two looks; an idle link could have
  };

  static Task<> grow(std::shared_ptr<SharedGroup> self, config::Secret password, bool only_if_free);
  Task<bool> bring_into_state(std::shared_ptr<Link> link);
  void wake_all();
  [[nodiscard]] bool in_flight() const noexcept;
  [[nodiscard]] Yield yield_one();

  SharedLinks& owner_;
  std::shared_ptr<const bool> alive_;  ///< false: the owner is gone
  LinkKind kind_;
  routing::StateVector state_;
  std::string key_;
  std::vector<Member> links_;
  std::list<Event*> waiting_;
  routing::LinkTarget target_;
  bool growing_ = false;
  bool failed_ = false;  ///< the last attempt to get a link
  Clock::time_point idle_since_{};
};

class SharedLinks final : public LinkHolder {
 public:
  SharedLinks(Executor executor, LinkPool& pool, Counters& counters);
  ~SharedLinks() override;

  /// The group of those who want `kind` in `state`.
  [[nodiscard]] std::shared_ptr<SharedGroup> group(const LinkKind& kind,
                                                   const routing::StateVector& state);

  /// Makes `prepared` known to the link; others who want the same wait for it.
  /// Errors: the link's, moved_elsewhere, or operation_aborted if it is refused.
  Task<error_code> prepare(std::shared_ptr<Link> link, const PreparedStatement& prepared);

  /// The right to run a statement whose digest nobody knows, on a link of its own.
  class Learner {
   public:
    Learner(SharedLinks& links, routing::Digest digest) : links_(links), digest_(digest) {}
    ~Learner() { links_.end_learning(digest_); }
    Learner(const Learner&) = delete;
    Learner& operator=(const Learner&) = delete;

   private:
    SharedLinks& links_;
    routing::Digest digest_;
  };
  /// Only a few of a digest run at a time: null if others are at it; wait for these.
  [[nodiscard]] std::unique_ptr<Learner> begin_learning(routing::Digest digest);
  /// Until one of those is done, or `until`.
  Task<> learnt(routing::Digest digest, Clock::time_point until);

  Yield yield_link(std::size_t backend) override;
  /// Gives links back that have not been needed for a while. Call now and then.
  void sweep(Clock::time_point now);

  [[nodiscard]] Executor executor() { return executor_; }
  [[nodiscard]] LinkPool& pool() noexcept { return pool_; }

 private:
  friend class SharedGroup;
  struct Learning {
    unsigned runs = 0;
    std::list<Event*> waiting;
  };

  void end_learning(routing::Digest digest);
  /// Something is in flight: looks after slow ones until nothing is.
  void start_watch();
  Task<> watch();
  void look_after(SharedGroup& group, Clock::time_point now);

  Executor executor_;
  LinkPool& pool_;
  Counters& counters_;
  std::unordered_map<std::string, std::weak_ptr<SharedGroup>> groups_;
  std::unordered_map<routing::Digest, Learning> learning_;
  bool watching_ = false;
  Timer watch_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::proxy
