#include "proxy/admin_views.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "config/address.hpp"
#include "config/keys.hpp"
#include "proxy/admin_help.hpp"
#include "proxy/admin_scanner.hpp"
#include "routing/balancer.hpp"
#include "routing/session_state.hpp"

namespace sluice::proxy {
namespace {

using Cell = AdminTable::Cell;
using Column = AdminTable::Column;
using Type = protocol::ResultSetWriter::Type;
using std::chrono::milliseconds;

Column text(std::string name) { return {std::move(name), Type::text, true}; }
Column number(std::string name) { return {std::move(name), Type::integer, true}; }

Cell cell(std::uint64_t value) { return static_cast<std::int64_t>(value); }
Cell cell(const Count& count) { return cell(read(count)); }
Cell cell(milliseconds value) { return static_cast<std::int64_t>(value.count()); }
Cell cell(std::optional<milliseconds> value) { return value ? cell(*value) : Cell(); }
Cell yes_no(bool value) { return cell(std::uint64_t{value ? 1U : 0U}); }

milliseconds elapsed(routing::TimePoint since, routing::TimePoint now) {
  return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(now - since));
}

std::string timestamp(routing::TimePoint at, Moment now) {
  const auto wall =
      now.wall - std::chrono::duration_cast<std::chrono::system_clock::duration>(now.steady - at);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(wall);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

Cell moment(routing::TimePoint at, Moment now) {
  return at == routing::TimePoint{} ? Cell() : Cell(timestamp(at, now));
}

// One word for each, in the order of the list.
template <typename Word>
std::string listed(const std::vector<SessionRecord::Pinned>& pinned, std::string_view between,
                   Word word) {
  std::string text;
  for (const SessionRecord::Pinned& one : pinned) {
    if (!text.empty()) text += between;
    text += word(one);
  }
  return text;
}

bool wanted(AdminView view, const routing::BackendView& backend) {
  if (view == AdminView::primary) return backend.role == routing::Role::primary;
  if (view == AdminView::replicas) return backend.role == routing::Role::replica;
  return true;
}

std::string name_of(const routing::Topology& topology, std::int32_t backend) {
  const auto index = static_cast<std::size_t>(backend);
  return backend >= 0 && index < topology.backends.size() ? topology.backends[index].name
                                                          : std::string();
}

// Keeps the facts that pass, in two columns.
AdminTable facts_table(const AdminFilter& filter, const Facts& facts) {
  AdminTable table{{text("name"), text("value")}, {}};
  for (const auto& [name, value] : facts)
    if (filter.passes(name)) table.rows.push_back({name, value});
  return table;
}

std::string_view alarm_text(routing::AlarmKind kind) {
  switch (kind) {
    case routing::AlarmKind::two_writers:
      return "it is writable, but is not the primary: it gets no writes; make it read_only";
    case routing::AlarmKind::wrong_cluster:
      return "it has nothing to do with the primary: it gets no traffic";
    case routing::AlarmKind::fail_open:
      return "every backend looks dead at once: the probes are distrusted";
    case routing::AlarmKind::no_primary: return "nobody takes writes: they wait";
  }
  return "";
}

}  // namespace

std::string_view excluded(const routing::BackendView& backend, const config::Settings& settings,
                          routing::TimePoint now) {
  const config::Backend* configured = config::find_backend(settings, backend.name);
  routing::ReadRequirement requirement;
  requirement.max_lag = configured != nullptr && configured->max_lag ? *configured->max_lag
                                                                     : settings.routing.max_lag;
  const routing::Exclusion exclusion = routing::verdict(backend, requirement, now);
  if (exclusion == routing::Exclusion::none) return {};
  if (exclusion == routing::Exclusion::is_primary &&
      settings.routing.reads_on_primary == config::ReadsOnPrimary::share)
    return {};
  return routing::to_string(exclusion);
}

AdminTable backends_table(AdminView view, const AdminFilter& filter,
                          const routing::Topology& topology, const Counters& counters,
                          const config::Settings& settings, Moment now) {
  AdminTable table{{text("name"), text("address"), text("role"), text("state"), text("health"),
                    number("lag_ms"), number("in_flight"), number("links"), number("reads"),
                    number("writes"), number("weight"), text("version"), text("gtid"),
                    text("excluded"), text("since"), text("by"), text("why"), text("last_error")},
                   {}};
  for (std::size_t i = 0; i < topology.backends.size(); ++i) {
    const routing::BackendView& backend = topology.backends[i];
    if (!wanted(view, backend) || !filter.passes(backend.name)) continue;
    static const BackendCounters none;
    const BackendCounters& counted = i < counters.backends.size() ? *counters.backends[i] : none;
    const routing::GtidSet* gtid = backend.gtid();
    table.rows.push_back(
        {backend.name, backend.address, routing::to_string(backend.role),
         to_upper(routing::to_string(backend.admin.state)),
         routing::to_string(backend.health.state), cell(backend.lag_at(now.steady)),
         cell(counted.in_flight), cell(counted.links), cell(counted.reads), cell(counted.writes),
         cell(std::uint64_t{backend.weight}), backend.seen ? Cell(backend.seen->version) : Cell(),
         gtid != nullptr ? Cell(gtid->to_string()) : Cell(),
         excluded(backend, settings, now.steady), moment(backend.admin.since, now),
         backend.admin.by, backend.admin.why, backend.last_error});
  }
  return table;
}

AdminTable sessions_table(const AdminFilter& filter, const Sessions& sessions,
                          const routing::Topology& topology, Moment now) {
  AdminTable table{{number("id"), text("user"), text("client"), text("schema"), number("worker"),
                    text("backend"), number("busy"), number("in_transaction"), text("pins"),
                    number("pinned_for_ms"), text("pinned_since"), text("pinned_until"),
                    text("reason"), number("statements"), number("connected_for_ms")},
                   {}};
  constexpr auto relaxed = std::memory_order_relaxed;
  for (const auto& session : sessions) {
    const SessionRecord::Names names = session->names();
    if (!filter.passes(names.user)) continue;
    const std::string backend = name_of(topology, session->backend.load(relaxed));
    const std::vector<SessionRecord::Pinned> pinned = session->pinned();
    const auto oldest = std::min_element(
        pinned.begin(), pinned.end(),
        [](const auto& one, const auto& other) { return one.since < other.since; });
    const std::uint64_t statements = session->statements.load(relaxed);
    table.rows.push_back(
        {cell(std::uint64_t{session->id}), names.user, session->client,
         names.schema.empty() ? Cell() : Cell(names.schema), cell(std::uint64_t{session->worker}),
         backend.empty() ? Cell() : Cell(backend), yes_no(session->busy.load(relaxed)),
         yes_no(session->in_transaction.load(relaxed)),
         listed(pinned, ",", [](const auto& one) { return routing::to_string(one.pin); }),
         oldest == pinned.end() ? Cell() : cell(elapsed(oldest->since, now.steady)),
         listed(pinned, ",", [&](const auto& one) { return timestamp(one.since, now); }),
         listed(pinned, "; ", [](const auto& one) { return one.until; }),
         statements == 0 ? Cell() : Cell(routing::to_string(session->last_reason.load(relaxed))),
         cell(statements), cell(elapsed(session->connected_at, now.steady))});
  }
  return table;
}

AdminTable status_table(const AdminFilter& filter, const Facts& facts, const Counters& counters,
                        const routing::Topology& topology) {
  Facts all = facts;
  const auto tell = [&all](std::string name, std::uint64_t value) {
    all.emplace_back(std::move(name), std::to_string(value));
  };
  tell("clients_connected", read(counters.clients_connected));
  tell("clients_accepted", read(counters.clients_accepted));
  tell("clients_refused", read(counters.clients_refused));
  tell("statements", read(counters.statements));
  tell("misroutes", read(counters.misroutes));
  tell("reads_shared", read(counters.reads_shared));
  tell("reads_moved", read(counters.reads_moved));
  tell("writes_held", read(counters.writes_held));
  tell("outcomes_unknown", read(counters.outcomes_unknown));
  tell("state_checks", read(counters.state_checks));
  tell("state_mismatches", read(counters.state_mismatches));
  tell("state_syncs", read(counters.state_syncs));
  for (std::size_t i = 0; i < routing::reason_count; ++i)
    tell(fmt::format("decisions_{}", routing::to_string(static_cast<routing::Reason>(i))),
         read(counters.decisions[i]));

  const auto sum = [&counters](Count BackendCounters::*counter) {
    std::uint64_t total = 0;
    for (const auto& backend : counters.backends) total += read((*backend).*counter);
    return total;
  };
  tell("reads", sum(&BackendCounters::reads));
  tell("writes", sum(&BackendCounters::writes));
  tell("in_flight", sum(&BackendCounters::in_flight));
  tell("links", sum(&BackendCounters::links));
  tell("links_opened", sum(&BackendCounters::links_opened));
  tell("link_errors", sum(&BackendCounters::link_errors));
  tell("bytes_received", sum(&BackendCounters::bytes_received));

  const routing::BackendView* primary = topology.primary_view();
  all.emplace_back("primary", primary != nullptr ? primary->name : "");
  all.emplace_back("primary_reason", routing::to_string(topology.primary_reason));
  tell("epoch", topology.epoch);
  tell("alerts", topology.alarms.size());
  return facts_table(filter, all);
}

AdminTable topology_table(const AdminFilter& filter, const routing::Topology& topology) {
  AdminTable table{
      {text("name"), text("role"), text("why"), text("source"), text("channel"), text("io_running"),
       text("sql_running"), number("read_only"), text("membership"), text("standing"),
       text("flavour"), text("server_uuid"), number("server_id"), text("replication_error")},
      {}};
  for (const routing::BackendView& backend : topology.backends) {
    if (!filter.passes(backend.name)) continue;
    const bool primary = topology.primary == backend.id;
    std::vector<Cell> row(table.columns.size());
    row[0] = backend.name;
    row[1] = routing::to_string(backend.role);
    row[2] = primary ? routing::to_string(topology.primary_reason) : std::string_view{};
    row[8] = routing::to_string(backend.membership);
    row[9] = backend.standing == routing::Exclusion::none ? std::string_view{}
                                                          : routing::to_string(backend.standing);
    if (!backend.seen) {
      table.rows.push_back(std::move(row));
      continue;
    }
    const routing::Observation& seen = *backend.seen;
    row[7] = yes_no(seen.read_only || seen.super_read_only);
    row[10] = routing::to_string(seen.flavour);
    if (!seen.server_uuid.empty()) row[11] = seen.server_uuid;
    row[12] = cell(std::uint64_t{seen.server_id});
    if (seen.sources.empty()) table.rows.push_back(row);
    for (const routing::ReplicationSource& source : seen.sources) {
      row[3] = config::to_string(config::Address::tcp(source.host, source.port));
      row[4] = source.channel;
      row[5] = source.io_running ? "yes" : "no";
      row[6] = source.sql_running ? "yes" : "no";
      row[13] = source.last_error;
      table.rows.push_back(row);
    }
  }
  return table;
}

AdminTable alerts_table(const AdminFilter& filter, const routing::Topology& topology) {
  AdminTable table{{text("alert"), text("backend"), text("meaning")}, {}};
  for (const routing::Alarm& alarm : topology.alarms) {
    const std::string_view kind = routing::to_string(alarm.kind);
    if (!filter.passes(kind)) continue;
    const bool known = alarm.backend && *alarm.backend < topology.backends.size();
    table.rows.push_back({kind, known ? Cell(topology.backends[*alarm.backend].name) : Cell(),
                          alarm_text(alarm.kind)});
  }
  return table;
}

AdminTable variables_table(const AdminFilter& filter, const config::Settings& settings,
                           const Facts& server_variables) {
  Facts all;
  for (const config::Section& section : config::sections())
    for (std::size_t entry = 0; entry < section.entries(settings); ++entry)
      for (const config::Key& key : config::keys())
        if (key.section == section.name)
          all.emplace_back(config::path_of(settings, section.name, entry, key.name),
                           config::print_value(key, settings, entry));
  all.insert(all.end(), server_variables.begin(), server_variables.end());
  return facts_table(filter, all);
}

AdminTable users_table(const AdminFilter& filter, const config::Settings& settings,
                       const Sessions& sessions) {
  AdminTable table{{text("name"), number("sessions"), number("max_connections"),
                    text("default_schema"), number("tls_required"), number("max_lag_ms")},
                   {}};
  for (const config::User& user : settings.users) {
    if (!filter.passes(user.name)) continue;
    const auto count =
        std::count_if(sessions.begin(), sessions.end(),
                      [&user](const auto& session) { return session->names().user == user.name; });
    table.rows.push_back({user.name, cell(static_cast<std::uint64_t>(count)),
                          cell(std::uint64_t{user.max_connections}), user.default_schema,
                          yes_no(user.tls_required), cell(user.max_lag)});
  }
  return table;
}

AdminTable digests_table(const AdminFilter& filter, const std::vector<routing::DigestRow>& digests,
                         const routing::Topology& topology, Moment now) {
  AdminTable table{{text("digest"), text("backend"), text("text"), number("count"),
                    number("errors"), number("avg_us"), number("avg_bytes"), number("max_bytes"),
                    number("shared"), text("why_not")},
                   {}};
  for (const routing::DigestRow& row : digests) {
    if (!filter.passes(row.text)) continue;
    for (std::size_t i = 0; i < row.backends.size(); ++i) {
      const routing::DigestStats& stats = row.backends[i];
      if (stats.count == 0) continue;
      const auto verdict = routing::judge(row.backends, i, {}, now.steady);
      const bool shared = verdict == routing::SharingVerdict::eligible;
      const auto whole = [](float value) { return cell(static_cast<std::uint64_t>(value)); };
      table.rows.push_back({fmt::format("{:016x}", row.digest),
                            name_of(topology, static_cast<std::int32_t>(i)), row.text,
                            cell(stats.count), cell(stats.errors), whole(stats.micros),
                            whole(stats.bytes), cell(stats.max_bytes), yes_no(shared),
                            shared ? std::string_view{} : routing::to_string(verdict)});
    }
  }
  return table;
}

AdminTable empty_table(AdminView view) {
  switch (view) {
    case AdminView::databases: return {{text("Database")}, {}};
    case AdminView::tables: return {{text("Tables")}, {}};
    case AdminView::warnings: return {{text("Level"), number("Code"), text("Message")}, {}};
    default: return {{text("Name")}, {}};
  }
}

AdminTable help_table(std::string_view topic) {
  if (to_lower(topic) == "contents") {
    // sql/server_help.cc: a category's list has these columns.
    AdminTable table{{text("source_category_name"), text("name"), text("is_it_category")}, {}};
    for (const AdminTopic& each : admin_topics())
      table.rows.push_back({"Sluice admin commands", each.command, "N"});
    return table;
  }
  if (topic.empty()) {
    AdminTable table{{text("command"), text("purpose")}, {}};
    for (const AdminTopic& each : admin_topics()) table.rows.push_back({each.syntax, each.purpose});
    return table;
  }
  AdminTable table{{text("name"), text("description"), text("example")}, {}};
  if (const AdminTopic* found = find_admin_topic(topic))
    table.rows.push_back(
        {found->command, fmt::format("{}\n\n{}.\n{}\n", found->syntax, found->purpose, found->text),
         found->example});
  return table;
}

}  // namespace sluice::proxy
