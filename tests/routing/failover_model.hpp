/// A cluster small enough to know the truth about: transactions are counted one by
/// one, servers do as a plan says, and the planner sees only what a probe would see.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "routing/failover.hpp"

namespace sluice::routing::model {

inline constexpr TimePoint start{std::chrono::seconds(1000)};

struct Transaction {
  std::uint32_t domain = 0;
  std::size_t origin = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(const Transaction&, const Transaction&) = default;
};

struct Server {
  bool answers = true;
  bool read_only = true;
  bool receives = true;  ///< its IO thread
  bool applies = true;   ///< its SQL thread
  bool feeds_others = true;
  AdminState admin = AdminState::online;
  unsigned weight = 1;
  MemberFacts member;
  std::vector<std::size_t> sources;
  std::vector<Transaction> log;       ///< executed, in this order
  std::vector<Transaction> received;  ///< and not executed yet

  [[nodiscard]] bool has(const Transaction& one) const {
    return std::find(log.begin(), log.end(), one) != log.end();
  }
  [[nodiscard]] bool has_all_of(const std::vector<Transaction>& all) const {
    return std::all_of(all.begin(), all.end(), [&](const auto& one) { return has(one); });
  }
  [[nodiscard]] bool takes_writes() const { return answers && !read_only; }
};

class Cluster {
 public:
  Cluster(Flavour flavour, std::size_t size) : servers(size), flavour_(flavour) {}

  std::vector<Server> servers;

  /// A transaction that this server writes itself.
  Transaction write(std::size_t id, std::uint32_t domain = 0) {
    auto& next = flavour_ == Flavour::mysql ? next_[{0, id}] : next_[{domain, 0}];
    // A server that has not seen the newest takes the next number by what it knows.
    std::uint64_t number = ++next;
    if (flavour_ == Flavour::mariadb && id != 0) {
      number = 1;
      for (const auto& one : servers[id].log)
        if (one.domain == domain) number = std::max(number, one.number + 1);
      next = std::max(next, number);
    }
    const Transaction made{flavour_ == Flavour::mysql ? 0 : domain, id, number};
    servers[id].log.push_back(made);
    return made;
  }

  /// What a probe of each sees; those that do not answer keep what was seen before.
  const Topology& look() {
    inputs_.resize(servers.size());
    for (std::size_t id = 0; id < servers.size(); ++id) {
      BackendInput& input = inputs_[id];
      const Server& server = servers[id];
      input.name = "b" + std::to_string(id);
      input.address = "10.0.0." + std::to_string(id + 1) + ":3306";
      input.weight = server.weight;
      input.admin.state = server.admin;
      if (server.answers) input.record(observe(id));
      // Not all at the same moment, lest the probe be distrusted.
      input.health = {.state = server.answers ? Health::up : Health::down,
                      .since = start + std::chrono::hours(id)};
    }
    const TopologyPolicy policy{.appointed = appointed ? inputs_[*appointed].name : ""};
    topology_ = derive(topology_, inputs_, policy, start);
    for (BackendView& view : topology_.backends) view.lag = milliseconds{0};
    if (appointed) topology_.last_primary = inputs_[*appointed].name;
    return topology_;
  }

  /// Sluice is started anew: what it had seen is gone.
  void forget() {
    topology_ = {};
    inputs_.clear();
  }

  [[nodiscard]] FailoverFacts facts(const GtidSet* acknowledged) {
    FailoverFacts found{.topology = look(), .traffic_lost = true};
    if (acknowledged != nullptr) found.acknowledged = *acknowledged;
    for (const Server& server : servers) found.members.push_back(server.member);
    return found;
  }

  [[nodiscard]] GtidSet gtid_of(const std::vector<Transaction>& log) const {
    std::string text;
    std::map<std::uint32_t, Transaction> last;
    for (const Transaction& one : log) {
      last[one.domain] = one;
      if (flavour_ == Flavour::mysql)
        text += uuid(one.origin) + ':' + std::to_string(one.number) + ',';
    }
    if (flavour_ == Flavour::mariadb)
      for (const auto& [domain, one] : last) text += position(one);
    return *GtidSet::parse(text, flavour_);
  }

  [[nodiscard]] std::vector<std::size_t> writers() const {
    std::vector<std::size_t> found;
    for (std::size_t id = 0; id < servers.size(); ++id)
      if (servers[id].takes_writes()) found.push_back(id);
    return found;
  }

  std::optional<std::size_t> appointed;
  bool held = false;

 private:
  static std::string uuid(std::size_t id) {
    return "00000000-0000-0000-0000-00000000000" + std::to_string(id);
  }
  static std::string position(const Transaction& one) {
    return std::to_string(one.domain) + '-' + std::to_string(one.origin + 1) + '-' +
           std::to_string(one.number) + ',';
  }

  [[nodiscard]] Observation observe(std::size_t id) const {
    const Server& server = servers[id];
    Observation seen{.started_at = start,
                     .alive = true,
                     .flavour = flavour_,
                     .server_uuid = flavour_ == Flavour::mysql ? uuid(id) : "",
                     .server_id = static_cast<std::uint32_t>(id + 1),
                     .read_only = server.read_only,
                     .gtid = gtid_of(server.log),
                     .feeds_others = server.feeds_others,
                     .replication_known = true};
    if (flavour_ == Flavour::mariadb) {
      std::map<std::pair<std::uint32_t, std::size_t>, Transaction> last;
      for (const Transaction& one : server.log) {
        auto& kept = last[{one.domain, one.origin}];
        if (kept.number <= one.number) kept = one;
      }
      std::string text;
      for (const auto& [key, one] : last) text += position(one);
      seen.written = *parse_positions(text);
    }
    for (const std::size_t source : server.sources)
      seen.sources.push_back({.host = "10.0.0." + std::to_string(source + 1),
                              .port = 3306,
                              .uuid = flavour_ == Flavour::mysql ? uuid(source) : "",
                              .server_id = static_cast<std::uint32_t>(source + 1),
                              .io_running = server.receives && servers[source].answers,
                              .sql_running = server.applies});
    return seen;
  }

  Flavour flavour_;
  std::map<std::pair<std::uint32_t, std::size_t>, std::uint64_t> next_;
  std::vector<BackendInput> inputs_;
  Topology topology_;
};

/// What became of a plan.
struct Outcome {
  bool done = false;   ///< to its end
  Plan plan;           ///< as it was in the end, after `choose`
  std::string breach;  ///< a rule that was broken on the way; empty: none
};

/// Carries a plan out as the executor does, on servers that do as they are told.
class Execution {
 public:
  Execution(Cluster& cluster, const FailoverPolicy& policy, const GtidSet* acknowledged)
      : cluster_(cluster), policy_(policy), acknowledged_(acknowledged) {}

  /// `most`: dies after so many steps.
  Outcome run(Plan plan, std::size_t most = 1000) {
    Outcome outcome{.plan = std::move(plan)};
    for (std::size_t i = 0; i < outcome.plan.steps.size(); ++i) {
      if (most-- == 0) return outcome;
      const Step step = outcome.plan.steps[i];
      bool good = true;
      if (step.kind == StepKind::choose) {
        auto facts = cluster_.facts(acknowledged_);
        facts.drained = true;
        Plan again = plan_loss(facts, policy_, *outcome.plan.from);
        good = again.acts();
        if (good) {
          outcome.plan = std::move(again);
          const auto at = std::find_if(outcome.plan.steps.begin(), outcome.plan.steps.end(),
                                       [](const Step& s) { return s.kind == StepKind::choose; });
          i = static_cast<std::size_t>(at - outcome.plan.steps.begin());
        } else {
          refusal_ = again;
        }
      } else {
        good = take(step);
      }
      if (cluster_.writers().size() > writers_at_first_)
        breach_ = "two writers after " + words(step);
      if (!good && step.necessity == Necessity::essential) {
        for (const Step& back : outcome.plan.undo) take(back);
        cluster_.held = false;
        if (refusal_) outcome.plan = *refusal_;
        outcome.breach = breach_;
        return outcome;
      }
    }
    outcome.done = outcome.plan.acts();
    outcome.breach = breach_;
    return outcome;
  }

  void expect_at_most(std::size_t writers) { writers_at_first_ = writers; }

 private:
  static std::string words(const Step& step) { return std::string(to_string(step.kind)); }

  bool take(const Step& step) {
    auto& servers = cluster_.servers;
    Server* const it = step.backend ? &servers[*step.backend] : nullptr;
    switch (step.kind) {
      case StepKind::agree: return !it->answers;
      case StepKind::hold_writes: cluster_.held = true; return true;
      case StepKind::finish_transactions: return true;
      case StepKind::fence:
        if (it->answers) it->read_only = true;
        return it->answers;
      case StepKind::unfence:
        if (it->answers) it->read_only = false;
        return it->answers;
      case StepKind::stop_receiving: it->receives = false; return it->answers;
      case StepKind::start_receiving: it->receives = true; return it->answers;
      case StepKind::drain:
        if (!it->answers || !it->applies) return false;
        for (const auto& one : it->received)
          if (!it->has(one)) it->log.push_back(one);
        it->received.clear();
        return true;
      case StepKind::catch_up:
        if (!it->answers || !it->applies || !servers[*step.source].answers) return false;
        for (const auto& one : servers[*step.source].log)
          if (!it->has(one)) it->log.push_back(one);
        return true;
      case StepKind::choose: return true;
      case StepKind::appoint:
        if (cluster_.appointed) servers[*cluster_.appointed].member.deposed = true;
        cluster_.appointed = step.backend;
        it->member.deposed = false;
        return true;
      case StepKind::promote: it->sources.clear(); [[fallthrough]];
      case StepKind::open:
        if (!cluster_.held && it->read_only) breach_ = "opened while writes are not held";
        if (cluster_.appointed != step.backend) breach_ = "opened without being appointed";
        it->read_only = !it->answers;
        return it->answers;
      case StepKind::publish:
        if (!it->takes_writes()) breach_ = "published as primary, but takes no writes";
        return true;
      case StepKind::release: cluster_.held = false; return true;
      case StepKind::repoint: {
        Server& source = servers[*step.source];
        if (!source.has_all_of(it->log)) breach_ = "repointed to one that lacks what it has";
        it->sources = {*step.source};
        it->receives = it->applies = true;
        it->member.deposed = false;
        return it->answers;
      }
      case StepKind::quarantine: it->member.quarantined = true; return true;
    }
    return false;
  }

  Cluster& cluster_;
  const FailoverPolicy& policy_;
  const GtidSet* acknowledged_;
  std::optional<Plan> refusal_;
  std::string breach_;
  std::size_t writers_at_first_ = 1;
};

}  // namespace sluice::routing::model
