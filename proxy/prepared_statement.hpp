/// A statement that a client has prepared: its own id, valid on every backend.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/bytes.hpp"
#include "routing/digest.hpp"
#include "routing/session_state.hpp"
#include "routing/statement.hpp"

namespace sluice::proxy {

struct PreparedStatement {
  std::uint32_t id = 0;  ///< what the client knows
  std::string sql;
  routing::Statement statement;  ///< its classification; `name` is not kept
  std::uint16_t parameters = 0;
  std::uint16_t columns = 0;
  protocol::Buffer types;           ///< of the parameters, as the client bound them last
  routing::StateVector state;       ///< of the session at PREPARE: names resolve in it
  std::uint64_t state_version = 0;  ///< of the session's state, then
  std::string key;                  ///< text and state, for the links' caches
  routing::Digest digest = 0;       ///< 0: nobody has asked for it yet
  bool sends_long_data = false;     ///< pieces are on their way to the held link
  bool has_cursor = false;

  /// What the held link calls it while rows or pieces belong to this one alone.
  [[nodiscard]] std::string key_of_its_own() const {
    return key + '\0' + "own" + std::to_string(id);
  }
};

class PreparedStatements {
 public:
  /// Ids start at 1 and are not reused before 2^32 more.
  PreparedStatement& add(std::string sql, const routing::Statement& statement,
                         const routing::StateVector& state) {
    do ++last_;
    while (last_ == 0 || last_ == UINT32_MAX || statements_.contains(last_));
    auto prepared = std::make_unique<PreparedStatement>();
    prepared->id = last_;
    prepared->sql = std::move(sql);
    prepared->statement = statement;
    prepared->statement.name = {};
    prepared->state = state;
    prepared->key = prepared->sql;
    prepared->key += '\0';
    prepared->key += state.schema;
    for (const auto& [name, value] : state.variables()) {
      prepared->key += '\0';
      prepared->key += name;
      prepared->key += '=';
      prepared->key += value;
    }
    if (statement.effects.has(routing::Effect::speaks_of_previous))
      of_previous_.push_back(prepared.get());
    return *statements_.emplace(last_, std::move(prepared)).first->second;
  }

  /// Those that ask about the statement before them.
  [[nodiscard]] const std::vector<PreparedStatement*>& of_previous() const noexcept {
    return of_previous_;
  }

  [[nodiscard]] PreparedStatement* find(std::uint32_t id) {
    // MariaDB: -1 is the one prepared last.
    const auto at = statements_.find(id == UINT32_MAX ? last_ : id);
    return at == statements_.end() ? nullptr : at->second.get();
  }

  void erase(std::uint32_t id) {
    const PreparedStatement* gone = find(id);
    std::erase(of_previous_, gone);
    if (gone != nullptr) statements_.erase(gone->id);
  }
  void clear() {
    of_previous_.clear();
    statements_.clear();
  }
  [[nodiscard]] std::size_t size() const noexcept { return statements_.size(); }
  /// Is this true of any of them?
  [[nodiscard]] bool any(bool PreparedStatement::*flag) const noexcept {
    return std::any_of(statements_.begin(), statements_.end(),
                       [flag](const auto& entry) { return (*entry.second).*flag; });
  }

 private:
  std::unordered_map<std::uint32_t, std::unique_ptr<PreparedStatement>> statements_;
  std::vector<PreparedStatement*> of_previous_;
  std::uint32_t last_ = 0;
};

}  // namespace sluice::proxy
