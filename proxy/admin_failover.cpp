// What the admin port shows of failovers: SHOW FAILOVER, its history, and plans.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "proxy/admin_views.hpp"

namespace sluice::proxy {
namespace {

using Type = protocol::ResultSetWriter::Type;

AdminTable::Column text(std::string name) { return {std::move(name), Type::text, true}; }
AdminTable::Column number(std::string name) { return {std::move(name), Type::integer, true}; }

std::string moment(std::int64_t at_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(at_ms / 1000)), at_ms % 1000);
}

}  // namespace

AdminTable failover_table(const AdminFilter& filter, const FailoverReport& report,
                          const routing::Plan& plan, const routing::Topology& topology) {
  AdminTable table{{text("name"), text("value")}, {}};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (filter.passes(name)) table.rows.push_back({name, value});
  };
  add("mode", report.mode);
  add("elected", report.appointed);
  add("doing", report.doing);
  add("trouble", report.trouble);
  for (std::size_t i = 0; i < report.privileges.size() && i < topology.backends.size(); ++i)
    add("privileges_" + topology.backends[i].name,
        report.privileges[i].empty() ? "sufficient" : report.privileges[i]);
  for (const Deposed& one : report.deposed)
    add("deposed_" + one.name, !one.quarantined     ? "not back yet"
                               : one.errant.empty() ? "quarantined"
                                                    : "quarantined, only there: " + one.errant);
  add("would", describe(plan, topology).front());
  return table;
}

AdminTable failover_history_table(const AdminFilter& filter, const FailoverReport& report) {
  AdminTable table{
      {text("at"), text("kind"), text("from"), text("to"), text("result"), text("reason"),
       text("by"), number("took_ms"), number("held_ms"), text("lost"), text("text")},
      {}};
  for (auto row = report.history.rbegin(); row != report.history.rend(); ++row)
    if (filter.passes(row->kind))
      table.rows.push_back({moment(row->at_ms), row->kind, row->from, row->to, row->result,
                            row->reason, row->by, row->took_ms, row->held_ms, row->lost,
                            row->text});
  return table;
}

AdminTable plan_table(const routing::Plan& plan, const routing::Topology& topology) {
  AdminTable table{{text("plan")}, {}};
  for (std::string& line : describe(plan, topology)) table.rows.push_back({std::move(line)});
  return table;
}

}  // namespace sluice::proxy
