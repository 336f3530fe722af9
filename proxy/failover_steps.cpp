#include "proxy/failover_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "routing/errant.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::Clock;
using routing::Flavour;
using routing::Observation;
using routing::Step;
using routing::TimePoint;
using routing::Topology;
using std::chrono::milliseconds;

constexpr milliseconds look_again{20};
constexpr milliseconds rights_patience{2'000};
// Decisions taken a moment before writes were held are on their way by then.
constexpr milliseconds settle{10};
// Reads on the primary may never cease; what was about to write is done by then.
constexpr milliseconds in_flight_patience{150};

EngineVersion engine_of(const Observation& seen) { return {seen.flavour, seen.version_number}; }

bool any_io(const Observation& seen) {
  return std::any_of(seen.sources.begin(), seen.sources.end(),
                     [](const auto& source) { return source.io_running; });
}

bool all_io(const Observation& seen) {
  return !seen.sources.empty() && std::all_of(seen.sources.begin(), seen.sources.end(),
                                              [](const auto& source) { return source.io_running; });
}

std::string first_error(const Observation& seen) {
  for (const auto& source : seen.sources)
    if (!source.last_error.empty()) return source.last_error;
  return seen.error;
}

std::chrono::milliseconds left(TimePoint deadline) {
  return std::max(0ms, std::chrono::duration_cast<milliseconds>(deadline - Clock::now()));
}

}  // namespace

SqlTarget failover_target(const config::Settings& settings, std::size_t backend) {
  const config::Backend& configured = settings.backends[backend];
  return {.address = configured.address,
          .user = settings.failover.user,
          .password = settings.failover.password,
          .tls = configured.tls,
          .tls_ca = configured.tls_ca};
}

BackendHand& StepRunner::hand(std::size_t backend) {
  auto& kept = hands_[backend];
  if (!kept) kept = std::make_unique<BackendHand>(failover_target(settings_, backend));
  return *kept;
}

const std::string& StepRunner::name(std::size_t backend) const {
  return settings_.backends[backend].name;
}

template <class Good>
std::string StepRunner::look_until(std::size_t backend, TimePoint deadline, Good good,
                                   std::string otherwise) {
  for (;;) {
    const Observation seen = hand(backend).look(deadline);
    if (seen.alive && good(seen)) return {};
    if (hooks_.stopping()) return "Sluice is stopping";
    if (Clock::now() + look_again >= deadline) {
      const std::string why = first_error(seen);
      return why.empty() ? otherwise : otherwise + " (" + why + ")";
    }
    std::this_thread::sleep_for(look_again);
  }
}

// Two of three votes, or a replica that cannot connect anew: one that can proves that
// the primary lives, and that the fault is between it and us.
std::string StepRunner::agree(const Step& step) {
  const std::size_t lost = *step.backend;
  const TimePoint deadline = Clock::now() + step.budget;
  const auto topology = hooks_.topology();
  if (topology->backends[lost].health.state != routing::Health::down)
    return name(lost) + " answers again";
  const auto facts = hooks_.facts(*topology);
  if (routing::votes(facts, lost).enough()) return {};
  const auto graph = routing::graph_of(*topology);
  for (const auto& view : topology->backends) {
    const bool asks = view.id != lost && view.health.state == routing::Health::up && view.seen &&
                      graph.follows(view.id, lost);
    if (!asks) continue;
    BackendHand& replica = hand(view.id);
    if (!replica.run(receive_statements(*view.seen, false), deadline).empty() ||
        !replica.run(receive_statements(*view.seen, true), deadline).empty())
      continue;
    const std::string reached = look_until(view.id, deadline, all_io, "not reached");
    if (reached.empty())
      return fmt::format("{} still reaches {}: it lives, and we cannot see it", view.name,
                         name(lost));
    return {};
  }
  return "nobody but our own probe says so, and there is no replica to ask";
}

std::string StepRunner::finish_transactions(const Step& step) {
  const std::size_t backend = *step.backend;
  const TimePoint began = Clock::now();
  std::this_thread::sleep_for(settle);
  for (;;) {
    const std::size_t open = hooks_.open_transactions(backend);
    const bool quiet = hooks_.in_flight(backend) == 0 || Clock::now() - began > in_flight_patience;
    if (open == 0 && quiet) return {};
    if (hooks_.stopping()) return "Sluice is stopping";
    if (Clock::now() - began >= step.budget)
      return fmt::format("{} transactions are still open on {}: they will fail", open,
                         name(backend));
    std::this_thread::sleep_for(2ms);
  }
}

std::string StepRunner::read_only(const Step& step, bool on) {
  const std::size_t backend = *step.backend;
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return fmt::format("{} does not answer: {}", name(backend), seen.error);
  if (std::string trouble = hand(backend).run(read_only_statements(engine_of(seen), on), deadline);
      !trouble.empty())
    return name(backend) + ": " + trouble;
  return look_until(
      backend, deadline, [on](const Observation& now) { return now.writable() != on; },
      name(backend) + (on ? " is still writable" : " is still read-only"));
}

std::string StepRunner::receive(const Step& step, bool on) {
  const std::size_t backend = *step.backend;
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return fmt::format("{} does not answer: {}", name(backend), seen.error);
  std::string trouble = hand(backend).run(receive_statements(seen, on), deadline);
  // Its source may be gone: to have tried is enough.
  if (on || !trouble.empty()) return trouble;
  return look_until(
      backend, deadline, [](const Observation& now) { return !any_io(now); },
      name(backend) + " still receives");
}

std::string StepRunner::wait_applied(std::size_t backend, Flavour flavour, const std::string& gtid,
                                     TimePoint deadline) {
  if (gtid.empty()) return {};
  SqlTable table;
  // The wait ends before the deadline of the statement does.
  const auto patience = std::max(10ms, left(deadline) - 50ms);
  std::string trouble = hand(backend).ask(wait_statement(flavour, gtid, patience), deadline, table);
  if (!trouble.empty()) return trouble;
  const std::string* answer = table.find(0, "answer");
  if (answer != nullptr && was_applied(flavour, *answer)) return {};
  return fmt::format("{} has not applied {} in time", name(backend), gtid);
}

std::string StepRunner::drain(const Step& step) {
  const std::size_t backend = *step.backend;
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return fmt::format("{} does not answer: {}", name(backend), seen.error);
  if (seen.sources.empty()) return {};
  const bool stands = std::any_of(seen.sources.begin(), seen.sources.end(),
                                  [](const auto& source) { return !source.sql_running; });
  if (stands) return fmt::format("{} applies nothing: {}", name(backend), first_error(seen));
  SqlTable status;
  const std::string statements = probe_statements(engine_of(seen));
  std::string trouble =
      hand(backend).ask(statements.substr(statements.rfind(';') + 1), deadline, status);
  if (!trouble.empty()) return trouble;
  const std::string received = received_of(status);
  const auto parsed = routing::GtidSet::parse(received, seen.flavour);
  if (!parsed) return name(backend) + " has received what cannot be read: " + received;
  // MariaDB's function knows only what replication brought: what it wrote as a former
  // primary is there already, and would be waited for in vain.
  if (seen.gtid && seen.gtid->covers(*parsed)) return {};
  return wait_applied(backend, seen.flavour, parsed->to_string(), deadline);
}

std::string StepRunner::catch_up(const Step& step) {
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation source = hand(*step.source).look(deadline);
  if (!source.alive || !source.gtid) return name(*step.source) + " does not tell its GTIDs";
  if (source.writable()) return name(*step.source) + " is writable again";
  const Observation seen = hand(*step.backend).look(deadline);
  if (seen.alive && seen.gtid && seen.gtid->covers(*source.gtid)) return {};
  return wait_applied(*step.backend, source.flavour, source.gtid->to_string(), deadline);
}

std::string StepRunner::promote(const Step& step) {
  const std::size_t backend = *step.backend;
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return fmt::format("{} does not answer: {}", name(backend), seen.error);
  Statements statements;
  if (step.kind == routing::StepKind::promote) statements = forget_source_statements(seen);
  for (std::string& one : read_only_statements(engine_of(seen), false))
    statements.push_back(std::move(one));
  if (std::string trouble = hand(backend).run(statements, deadline); !trouble.empty())
    return name(backend) + ": " + trouble;
  return look_until(
      backend, deadline, [](const Observation& now) { return now.writable(); },
      name(backend) + " is still read-only");
}

std::string StepRunner::publish(const Step& step) {
  const TimePoint deadline = Clock::now() + step.budget;
  while (Clock::now() < deadline && !hooks_.stopping()) {
    const auto topology = hooks_.topology();
    if (topology->primary == step.backend) return {};
    hooks_.probe_now(*step.backend);
    std::this_thread::sleep_for(5ms);
  }
  return "the monitor does not see it as primary";
}

std::string StepRunner::repoint(const Step& step) {
  const std::size_t backend = *step.backend;
  const std::size_t to = *step.source;
  const TimePoint deadline = Clock::now() + step.budget;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return fmt::format("{} does not answer: {}", name(backend), seen.error);
  const Observation source = hand(to).look(deadline);
  if (!source.alive) return fmt::format("{} does not answer: {}", name(to), source.error);
  const auto errant = routing::missing_from(source, seen);
  if (!errant || !errant->empty())
    return fmt::format("{} has what {} lacks: {}", name(backend), name(to),
                       errant ? errant->to_string() : "GTIDs cannot be compared");
  const config::Address& address = settings_.backends[to].address;
  if (address.kind != config::Address::Kind::tcp)
    return fmt::format("{} is known by a Unix socket only: nobody can follow it", name(to));
  const config::Failover& account = settings_.failover;
  if (account.replication_user.empty() && seen.sources.empty())
    return fmt::format("{} has no account to replicate with: set failover.replication_user",
                       name(backend));
  Statements statements;
  if (seen.writable()) statements = read_only_statements(engine_of(seen), true);
  const NewSource follow{.host = address.host,
                         .port = address.port,
                         .user = account.replication_user,
                         .password = std::string(account.replication_password.reveal()),
                         .tls = settings_.backends[to].tls != config::BackendTls::off};
  for (std::string& one : follow_statements(seen, follow)) statements.push_back(std::move(one));
  if (std::string trouble = hand(backend).run(statements, deadline); !trouble.empty())
    return name(backend) + ": " + trouble;
  return look_until(backend, deadline, all_io, name(backend) + " does not connect to " + name(to));
}

std::string StepRunner::missing_rights(std::size_t backend) {
  const TimePoint deadline = Clock::now() + rights_patience;
  const Observation seen = hand(backend).look(deadline);
  if (!seen.alive) return "it does not answer: " + seen.error;
  SqlTable table;
  std::string trouble = hand(backend).ask(privileges_statement(), deadline, table);
  if (!trouble.empty()) return trouble;
  std::vector<std::string> granted;
  for (const auto& row : table.rows)
    if (!row.empty() && row[0]) granted.push_back(*row[0]);
  const auto missing = missing_privileges(engine_of(seen), granted);
  return missing.empty() ? std::string() : fmt::format("lacks {}", fmt::join(missing, ", "));
}

Topology StepRunner::fresh_topology(milliseconds patience) {
  Topology topology = *hooks_.topology();
  for (auto& view : topology.backends) {
    if (view.health.state != routing::Health::up) continue;
    Observation seen = hand(view.id).look(Clock::now() + patience);
    if (seen.alive)
      view.seen = std::move(seen);
    else
      view.health.state = routing::Health::suspect;
  }
  return topology;
}

}  // namespace sluice::proxy
