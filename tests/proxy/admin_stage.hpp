/// What the tests of the admin port look at: two backends, two sessions, made up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/admin_target.hpp"

namespace sluice::proxy {

/// db1 is the primary, r1 its replica, both well; r1 was drained by somebody.
inline routing::Topology admin_topology(routing::TimePoint now) {
  using namespace std::chrono_literals;
  routing::Topology topology;
  topology.backends.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    auto& backend = topology.backends[i];
    backend.id = i;
    backend.name = i == 0 ? "db1" : "r1";
    backend.address = i == 0 ? "10.0.0.1:3306" : "10.0.0.2:3306";
    backend.health.state = routing::Health::up;
    backend.role = i == 0 ? routing::Role::primary : routing::Role::replica;
    backend.standing = i == 0 ? routing::Exclusion::is_primary : routing::Exclusion::none;
    backend.membership = routing::Membership::member;
    backend.seen.emplace();
    backend.seen->alive = true;
    backend.seen->flavour = routing::Flavour::mariadb;
    backend.seen->version = "10.11.6-MariaDB";
    backend.seen->read_only = i != 0;
    backend.seen->gtid = routing::GtidSet::parse("0-1-100", routing::Flavour::mariadb).value();
  }
  auto& replica = topology.backends[1];
  replica.seen->sources.push_back({.host = "10.0.0.1", .port = 3306, .io_running = true});
  replica.lag = 40ms;
  replica.lag_known_at = now;
  replica.admin = {routing::AdminState::drain, now - 60s, "admin@10.0.0.9", "new disk"};
  topology.primary = 0;
  topology.primary_reason = routing::PrimaryReason::sole_writable;
  topology.epoch = 3;
  return topology;
}

class AdminStage final : public AdminTarget {
 public:
  AdminStage() : topology_(std::make_shared<routing::Topology>(admin_topology(Clock::now()))) {
    settings_.admin.address = config::Address::tcp("127.0.0.1", 0);
    settings_.admin.password = config::Secret("secret");
    settings_.admin.readonly_password = config::Secret("glass");
    settings_.backends = {{.name = "db1", .address = config::Address::tcp("10.0.0.1", 3306)},
                          {.name = "r1", .address = config::Address::tcp("10.0.0.2", 3306)}};
    settings_.users = {{.name = "app", .password = config::Secret("hidden")}};
    session_ = sessions_.add("10.0.0.7:51234", 1);
    session_->set_names({"app", "shop"});
    add(counters_.backends[1]->reads, 7);
    add(counters_.statements, 9);
  }

  [[nodiscard]] std::shared_ptr<const routing::Topology> topology() const override {
    return topology_;
  }
  [[nodiscard]] const Counters& counters() const override { return counters_; }
  [[nodiscard]] const SessionRegistry& sessions() const override { return sessions_; }
  [[nodiscard]] const config::Settings& settings() const override { return settings_; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> status() const override {
    return {{"version", "0.1.0"}};
  }
  [[nodiscard]] std::vector<routing::DigestRow> digests() override { return digests_; }
  void reset_digests() override { digests_.clear(); }
  [[nodiscard]] Phase phase() const override { return phase_; }
  bool set_backend(std::string_view name, routing::AdminState state, std::string by,
                   std::string why) override {
    for (auto& backend : topology_->backends) {
      if (backend.name != name) continue;
      backend.admin = {state, Clock::now(), std::move(by), std::move(why)};
      return true;
    }
    return false;
  }
  bool kill(std::uint64_t session, KillScope scope) override {
    if (!sessions_.find(session)) return false;
    killed_ = {session, scope};
    return true;
  }

  std::shared_ptr<routing::Topology> topology_;
  Phase phase_ = Phase::serving;
  Counters counters_{2};
  SessionRegistry sessions_;
  config::Settings settings_;
  std::shared_ptr<SessionRecord> session_;
  std::optional<std::pair<std::uint64_t, KillScope>> killed_;
  [[nodiscard]] FailoverReport failover() const override { return failover_; }
  [[nodiscard]] routing::Plan failover_plan() const override { return plan_; }
  [[nodiscard]] routing::Plan switchover(std::string_view to, std::string by) override {
    asked_ = {std::string(to), std::move(by)};
    return plan_;
  }

  FailoverReport failover_;
  routing::Plan plan_;
  std::optional<std::pair<std::string, std::string>> asked_;
  std::vector<routing::DigestRow> digests_;
};

}  // namespace sluice::proxy
