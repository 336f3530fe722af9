#include "proxy/traffic_views.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace sluice::proxy {
namespace {

using Cell = AdminTable::Cell;
using Column = AdminTable::Column;
using Type = protocol::ResultSetWriter::Type;
using routing::Reason;

Column text(std::string name) { return {std::move(name), Type::text, true}; }
Column number(std::string name) { return {std::move(name), Type::integer, true}; }
Cell cell(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::string_view meaning(Reason reason) {
  switch (reason) {
    case Reason::plain_read: return "a replica served it";
    case Reason::read_only_transaction:
      return "START TRANSACTION READ ONLY: one replica, to its end";
    case Reason::in_transaction: return "stayed where its transaction is";
    case Reason::autocommit_off: return "autocommit=0: whatever comes begins a transaction";
    case Reason::pinned: return "the session has state that lives on one link";
    case Reason::previous_statement: return "speaks of the statement before it";
    case Reason::write: return "not proven to be a pure read";
    case Reason::hint_primary: return "its comment asked for the primary";
    case Reason::own_write: return "no replica was known to have what the session wrote";
    case Reason::no_replica: return "no replica served reads";
    case Reason::lagging: return "replicas were further behind than max_lag";
    case Reason::no_primary: return "nobody is primary, or it is in doubt";
    case Reason::misrouted: return "a replica refused it as a write; run again on the primary";
    case Reason::moved: return "its link was lost; run again elsewhere";
  }
  return "";
}

// "2026-11-20T13:00:00.123Z"
std::string milliseconds_of_day(routing::TimePoint at, Moment now) {
  using namespace std::chrono;
  const auto wall = now.wall - duration_cast<system_clock::duration>(now.steady - at);
  const auto ms = duration_cast<milliseconds>(wall.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(wall)), ms);
}

}  // namespace

AdminTable decisions_table(const AdminFilter& filter, const Counters& counters) {
  AdminTable table{{text("reason"), number("statements"), text("meaning")}, {}};
  for (std::size_t i = 0; i < routing::reason_count; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (!filter.passes(routing::to_string(reason))) continue;
    table.rows.push_back(
        {routing::to_string(reason), cell(read(counters.decisions[i])), meaning(reason)});
  }
  return table;
}

AdminTable latency_table(const AdminFilter& filter, const Counters& counters,
                         const routing::Topology& topology) {
  AdminTable table{{text("name"), text("of"), number("count"), number("mean_us"), number("p50_us"),
                    number("p95_us"), number("p99_us")},
                   {}};
  const auto put = [&](std::string_view name, std::string_view of, const Latency& latency) {
    if (!filter.passes(name)) return;
    const Latency::Reading reading = latency.read();
    const std::uint64_t count = reading.count();
    const auto known = [count](std::uint64_t value) { return count == 0 ? Cell() : cell(value); };
    table.rows.push_back({name, of, cell(count), known(count == 0 ? 0 : reading.sum_us / count),
                          known(reading.quantile_us(0.5)), known(reading.quantile_us(0.95)),
                          known(reading.quantile_us(0.99))});
  };
  put("read", "statements", counters.reads_took);
  put("write", "statements", counters.writes_took);
  for (std::size_t i = 0; i < topology.backends.size() && i < counters.backends.size(); ++i)
    put(topology.backends[i].name, "replies", counters.backends[i]->replies);
  return table;
}

AdminTable route_history_table(const AdminFilter& filter, const Sessions& sessions,
                               const routing::Topology& topology, Moment now) {
  struct Line {
    RouteHistory::Entry entry;
    const SessionRecord* session = nullptr;
  };
  std::vector<Line> lines;
  for (const auto& session : sessions)
    for (const RouteHistory::Entry& entry : session->history.read())
      lines.push_back({entry, session.get()});
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.entry.at > b.entry.at; });

  AdminTable table{
      {text("at"), number("session"), text("user"), text("class"), text("backend"), text("reason")},
      {}};
  for (const Line& line : lines) {
    if (table.rows.size() == most_route_rows) break;
    const std::string user = line.session->names().user;
    if (!filter.passes(user)) continue;
    const std::size_t backend = line.entry.backend;
    table.rows.push_back(
        {milliseconds_of_day(line.entry.at, now), cell(std::uint64_t{line.session->id}), user,
         line.entry.access == routing::Access::read ? "read" : "write",
         backend < topology.backends.size() ? Cell(topology.backends[backend].name) : Cell(),
         routing::to_string(line.entry.reason)});
  }
  return table;
}

}  // namespace sluice::proxy
