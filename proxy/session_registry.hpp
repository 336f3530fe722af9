/// The sessions that exist, for SHOW SESSIONS, KILL and the connection limits.
///
/// Each session writes its own record; the control plane and other sessions read
/// it. The record of a session lives as long as somebody looks at it.
/// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/async.hpp"
#include "proxy/route_history.hpp"
#include "routing/router.hpp"
#include "routing/session_state.hpp"

namespace sluice::proxy {

/// What a KILL asks of a session.
enum class KillScope : std::uint8_t { query, connection };

struct SessionRecord {
  std::uint32_t id = 0;  ///< what the client knows as its connection id
  std::string client;    ///< "10.0.0.7:51234" or the Unix socket's path
  Clock::time_point connected_at = Clock::now();
  std::size_t worker = 0;

  // Relaxed: shown, not decided by.
  std::atomic<std::uint64_t> statements{0};
  std::atomic<std::int32_t> backend{-1};  ///< of the statement under way or the held link
  std::atomic<bool> busy{false};
  std::atomic<bool> in_transaction{false};
  std::atomic<routing::Reason> last_reason{routing::Reason::plain_read};
  RouteHistory history;

  /// Of one pin: what it is, since when, and what the client has to do to end it.
  struct Pinned {
    routing::Pin pin{};
    Clock::time_point since;
    std::string until;
  };

  /// Under the lock: they change rarely.
  struct Names {
    std::string user;
    std::string schema;
  };
  [[nodiscard]] Names names() const {
    const std::scoped_lock lock(mutex_);
    return names_;
  }
  void set_names(Names names) {
    const std::scoped_lock lock(mutex_);
    names_ = std::move(names);
  }
  [[nodiscard]] std::vector<Pinned> pinned() const {
    const std::scoped_lock lock(mutex_);
    return pinned_;
  }
  /// What held before keeps its beginning; the others begin now.
  void set_pinned(std::vector<Pinned> pinned) {
    const std::scoped_lock lock(mutex_);
    for (Pinned& now : pinned)
      for (const Pinned& before : pinned_)
        if (before.pin == now.pin) now.since = before.since;
    pinned_ = std::move(pinned);
  }

 private:
  mutable std::mutex mutex_;
  Names names_;
  std::vector<Pinned> pinned_;
};

class SessionRegistry {
 public:
  /// Gives the session an id that nobody has. Ids are 32 bits and start at 1.
  std::shared_ptr<SessionRecord> add(std::string client, std::size_t worker) {
    auto record = std::make_shared<SessionRecord>();
    record->client = std::move(client);
    record->worker = worker;
    const std::scoped_lock lock(mutex_);
    do {
      record->id = next_++;
    } while (record->id == 0 || records_.contains(record->id));
    records_[record->id] = record;
    return record;
  }

  void remove(std::uint32_t id) {
    const std::scoped_lock lock(mutex_);
    records_.erase(id);
  }

  [[nodiscard]] std::shared_ptr<SessionRecord> find(std::uint64_t id) const {
    const std::scoped_lock lock(mutex_);
    const auto at = records_.find(id);
    return at == records_.end() ? nullptr : at->second;
  }

  [[nodiscard]] std::vector<std::shared_ptr<SessionRecord>> all() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::shared_ptr<SessionRecord>> copy;
    copy.reserve(records_.size());
    for (const auto& [id, record] : records_) copy.push_back(record);
    return copy;
  }

  /// How many have logged in as `user`.
  [[nodiscard]] std::size_t count_of(std::string_view user) const {
    std::size_t count = 0;
    for (const auto& record : all())
      if (record->names().user == user) ++count;
    return count;
  }

  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return records_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<SessionRecord>> records_;
  std::uint32_t next_ = 1;
};

}  // namespace sluice::proxy
