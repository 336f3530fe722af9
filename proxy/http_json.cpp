#include "proxy/http_json.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "proxy/readiness.hpp"
#include "proxy/traffic_views.hpp"
#include "proxy/version.hpp"

namespace sluice::proxy {
namespace {

namespace json = boost::json;

constexpr std::size_t most_sessions = 100;
constexpr std::size_t most_decisions = 12;

/// How many bytes the UTF-8 character at the beginning has; 0: it is none.
std::size_t character(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool too_long = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !too_long && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool too_long = first == 0xF0 && byte(1) < 0x90;
    const bool too_big = first == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !too_long && !too_big ? 4 : 0;
  }
  return 0;
}

json::string text_of(std::string_view text) {
  json::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character(text);
    if (size == 0) {
      out.append("\xEF\xBF\xBD");
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

json::value value_of(const AdminTable::Column& column, const AdminTable::Cell& cell) {
  if (cell.null()) return nullptr;
  const std::string& text = cell.text();
  if (column.type == protocol::ResultSetWriter::Type::integer) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  return text_of(text);
}

json::array rows_of(const AdminTable& table, std::size_t most = SIZE_MAX) {
  json::array rows;
  rows.reserve(std::min(most, table.rows.size()));
  for (const auto& row : table.rows) {
    if (rows.size() == most) break;
    json::object object;
    object.reserve(row.size());
    for (std::size_t i = 0; i < row.size(); ++i)
      object.emplace(table.columns[i].name, value_of(table.columns[i], row[i]));
    rows.emplace_back(std::move(object));
  }
  return rows;
}

json::object histogram_of(const Latency& latency) {
  const Latency::Reading reading = latency.read();
  json::array counts(reading.counts.begin(), reading.counts.end());
  json::object object;
  object.emplace("counts", std::move(counts));
  object.emplace("sum_us", reading.sum_us);
  return object;
}

json::object latency_of(const Counters& counters, const routing::Topology& topology) {
  json::object backends;
  for (std::size_t i = 0; i < topology.backends.size() && i < counters.backends.size(); ++i)
    backends.emplace(text_of(topology.backends[i].name),
                     histogram_of(counters.backends[i]->replies));
  json::object object;
  object.emplace("bounds_us", json::array(Latency::bounds_us.begin(), Latency::bounds_us.end()));
  object.emplace("reads", histogram_of(counters.reads_took));
  object.emplace("writes", histogram_of(counters.writes_took));
  object.emplace("backends", std::move(backends));
  return object;
}

/// The sessions that tell most: bound, in a transaction, busy; then the others.
Sessions most_telling(Sessions sessions) {
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto rank = [](const SessionRecord& session) {
    return (!session.pinned().empty() ? 4 : 0) + (session.in_transaction.load(relaxed) ? 2 : 0) +
           (session.busy.load(relaxed) ? 1 : 0);
  };
  // Ranks change meanwhile, and a sort must not see that.
  std::vector<std::pair<int, std::shared_ptr<SessionRecord>>> ranked;
  ranked.reserve(sessions.size());
  for (auto& session : sessions) {
    const int own = rank(*session);
    ranked.emplace_back(own, std::move(session));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  if (ranked.size() > most_sessions) ranked.resize(most_sessions);
  sessions.clear();
  for (auto& [own, session] : ranked) sessions.push_back(std::move(session));
  return sessions;
}

std::string_view word(HttpCaller::Rights rights) {
  switch (rights) {
    case HttpCaller::Rights::none: return "none";
    case HttpCaller::Rights::look: return "look";
    case HttpCaller::Rights::change: return "change";
  }
  return "";
}

}  // namespace

std::string table_json(const AdminTable& table) { return json::serialize(rows_of(table)) + "\n"; }

std::string overview_json(const AdminTarget& target, const HttpCaller& caller, Moment now) {
  const auto topology = target.topology();
  const Counters& counters = target.counters();
  const AdminFilter all;
  const Readiness state = readiness(target, now.steady);
  const Sessions sessions = target.sessions().all();

  json::object out;
  out.emplace(
      "at_ms",
      std::chrono::duration_cast<std::chrono::milliseconds>(now.wall.time_since_epoch()).count());
  out.emplace("version", text_of(version));
  out.emplace("user", text_of(caller.user));
  out.emplace("rights", word(caller.rights));
  out.emplace("ready", state.ready);
  out.emplace("why", text_of(state.why));
  out.emplace("status", rows_of(status_table(all, target.status(), counters, *topology)));
  out.emplace("backends", rows_of(backends_table(AdminView::backends, all, *topology, counters,
                                                 target.settings(), now)));
  out.emplace("topology", rows_of(topology_table(all, *topology)));
  out.emplace("alerts", rows_of(alerts_table(all, *topology)));
  out.emplace("decisions", rows_of(decisions_table(all, counters)));
  out.emplace("sessions_total", sessions.size());
  out.emplace("sessions", rows_of(sessions_table(all, most_telling(sessions), *topology, now)));
  out.emplace("route_history",
              rows_of(route_history_table(all, sessions, *topology, now), most_decisions));
  out.emplace("latency", latency_of(counters, *topology));
  return json::serialize(out) + "\n";
}

std::string login_json(const HttpCaller& caller, std::string_view change_token) {
  json::object out;
  out.emplace("user", text_of(caller.user));
  out.emplace("rights", word(caller.rights));
  const bool may_change = caller.rights == HttpCaller::Rights::change;
  out.emplace("change_token", may_change ? json::value(text_of(change_token)) : json::value());
  return json::serialize(out) + "\n";
}

std::string error_json(std::string_view message) {
  json::object out;
  out.emplace("error", text_of(message));
  return json::serialize(out) + "\n";
}

std::string list_json(std::string_view name, const std::vector<std::string>& items) {
  json::array list;
  for (const std::string& item : items) list.emplace_back(text_of(item));
  json::object out;
  out.emplace(text_of(name), std::move(list));
  return json::serialize(out) + "\n";
}

std::optional<ChangeBody> parse_change(std::string_view body) {
  json::error_code error;
  const json::value value = json::parse(json::string_view(body.data(), body.size()), error);
  if (error || !value.is_object()) return {};
  const json::object& object = value.get_object();
  ChangeBody change;
  for (const auto& [key, member] : object) {
    if (!member.is_string()) return {};
    const std::string text(member.get_string());
    if (key == "state") {
      change.state = text;
    } else if (key == "why") {
      change.why = text;
    } else {
      return {};
    }
  }
  if (change.state.empty()) return {};
  return change;
}

}  // namespace sluice::proxy
