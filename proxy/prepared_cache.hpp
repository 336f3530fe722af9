/// The server-side prepared statements of one link, by what they were prepared from.
///
/// One server statement serves everybody on the link who prepared the same text
/// in the same state (the key holds both: names resolve against the schema and
/// the modes of the moment of PREPARE). The least recently used one gives way
/// when the budget is full, so that max_prepared_stmt_count is never the
/// application's problem.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/bytes.hpp"

namespace sluice::proxy {

class PreparedCache {
 public:
  struct Entry {
    std::string key;
    std::uint32_t server_id = 0;
    protocol::Buffer types;  ///< parameter types that this server statement heard last
  };

  /// Server statements per link. A re-prepare costs one round trip; servers allow
  /// 16,382 by default over all connections.
  static constexpr std::size_t budget = 64;

  /// The entry, made the most recent; null if the link does not have it.
  [[nodiscard]] Entry* find(const std::string& key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &entries_.front();
  }

  /// Adds (or replaces) an entry. Server ids that are no longer needed are
  /// appended to `to_close`.
  Entry& insert(const std::string& key, std::uint32_t server_id,
                std::vector<std::uint32_t>& to_close) {
    erase(key, to_close);
    while (entries_.size() >= budget) {
      const std::string oldest = entries_.back().key;
      erase(oldest, to_close);
    }
    entries_.push_front({key, server_id, {}});
    index_[key] = entries_.begin();
    return entries_.front();
  }

  [[nodiscard]] bool holds(std::uint32_t server_id) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [server_id](const Entry& entry) { return entry.server_id == server_id; });
  }

  void erase(const std::string& key, std::vector<std::uint32_t>& to_close) {
    const auto at = index_.find(key);
    if (at == index_.end()) return;
    to_close.push_back(at->second->server_id);
    entries_.erase(at->second);
    index_.erase(at);
  }

  /// The connection was reset: the server has dropped them all.
  void forget() {
    entries_.clear();
    index_.clear();
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  std::list<Entry> entries_;  // most recent first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

}  // namespace sluice::proxy
