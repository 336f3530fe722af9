#include "proxy/admin_answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/nearest.hpp"
#include "protocol/constants.hpp"
#include "proxy/log.hpp"
#include "proxy/traffic_views.hpp"

namespace sluice::proxy {
namespace {

namespace code = protocol::server_error;
using Type = protocol::ResultSetWriter::Type;
using Cell = AdminTable::Cell;

constexpr std::uint16_t empty_query = 1065;
constexpr std::uint16_t unknown_variable = 1193;
constexpr std::uint16_t not_allowed = 1227;

// What drivers ask of any server when they connect.
Facts server_variables(const AdminClient& client) {
  return {
      {"auto_increment_increment", "1"},
      {"autocommit", "1"},
      {"character_set_client", "utf8mb4"},
      {"character_set_connection", "utf8mb4"},
      {"character_set_database", "utf8mb4"},
      {"character_set_results", "utf8mb4"},
      {"character_set_server", "utf8mb4"},
      {"collation_connection", "utf8mb4_general_ci"},
      {"collation_database", "utf8mb4_general_ci"},
      {"collation_server", "utf8mb4_general_ci"},
      {"default_storage_engine", ""},
      {"error_count", "0"},
      {"have_ssl", "YES"},
      {"init_connect", ""},
      {"interactive_timeout", "28800"},
      {"license", "Apache-2.0"},
      {"lower_case_table_names", "0"},
      {"max_allowed_packet", std::to_string(admin_max_packet)},
      {"net_buffer_length", "16384"},
      {"net_read_timeout", "30"},
      {"net_write_timeout", "30"},
      {"performance_schema", "0"},
      {"protocol_version", "10"},
      {"pseudo_thread_id", std::to_string(client.id)},
      {"query_cache_size", "0"},
      {"query_cache_type", "OFF"},
      {"sql_mode", ""},
      {"sql_select_limit", "18446744073709551615"},
      {"system_time_zone", "UTC"},
      {"time_zone", "SYSTEM"},
      {"transaction_isolation", "REPEATABLE-READ"},
      {"transaction_read_only", "0"},
      {"tx_isolation", "REPEATABLE-READ"},
      {"tx_read_only", "0"},
      {"version", std::string(admin_version)},
      {"version_comment", "Sluice admin port, HELP lists the commands"},
      {"version_compile_machine", ""},
      {"version_compile_os", "Linux"},
      {"wait_timeout", "28800"},
      {"warning_count", "0"},
  };
}

Type type_of(std::string_view value) {
  constexpr std::size_t bigint_digits = 18;  // any such number is one
  const bool number = !value.empty() && value.size() <= bigint_digits &&
                      value.find_first_not_of("0123456789") == std::string_view::npos;
  return number ? Type::integer : Type::text;
}

class Answer {
 public:
  Answer(AdminClient& client, AdminTarget& target, Moment now)
      : client_(client), target_(target), now_(now) {}

  AdminReply operator()(const ShowCommand& show) {
    const auto topology = target_.topology();
    const AdminFilter& filter = show.filter;
    switch (show.view) {
      case AdminView::backends:
      case AdminView::primary:
      case AdminView::replicas:
        return backends_table(show.view, filter, *topology, target_.counters(), target_.settings(),
                              now_);
      case AdminView::sessions:
        return sessions_table(filter, target_.sessions().all(), *topology, now_);
      case AdminView::status:
        return status_table(filter, target_.status(), target_.counters(), *topology);
      case AdminView::topology: return topology_table(filter, *topology);
      case AdminView::alerts: return alerts_table(filter, *topology);
      case AdminView::variables:
        return variables_table(filter, target_.settings(), server_variables(client_));
      case AdminView::users:
        return users_table(filter, target_.settings(), target_.sessions().all());
      case AdminView::failover:
        return failover_table(filter, target_.failover(), target_.failover_plan(), *topology);
      case AdminView::failover_history: return failover_history_table(filter, target_.failover());
      case AdminView::digests: return digests_table(filter, target_.digests(), *topology, now_);
      case AdminView::decisions: return decisions_table(filter, target_.counters());
      case AdminView::latency: return latency_table(filter, target_.counters(), *topology);
      case AdminView::route_history: return route_history(show, *topology);
      default: return empty_table(show.view);
    }
  }

  AdminReply route_history(const ShowCommand& show, const routing::Topology& topology) {
    if (!show.session)
      return route_history_table(show.filter, target_.sessions().all(), topology, now_);
    const auto session = target_.sessions().find(*show.session);
    if (!session)
      return AdminError{
          code::unknown_thread, "HY000",
          fmt::format("Unknown session id: {}; SHOW SESSIONS lists them", *show.session)};
    return route_history_table(show.filter, {session}, topology, now_);
  }

  AdminReply operator()(const SetBackendCommand& set) {
    if (auto refusal = may_change("SET BACKEND")) return *refusal;
    const std::string by = fmt::format("{}@{}", client_.user, client_.host);
    if (target_.set_backend(set.backend, set.state, by, set.why)) return AdminDone{1};
    std::vector<std::string> names;
    for (const auto& backend : target_.topology()->backends) names.push_back(backend.name);
    const auto nearest = config::nearest(set.backend, names);
    return AdminError{code::unknown_error, "HY000",
                      fmt::format("There is no backend '{}'{} There are: {}", set.backend,
                                  nearest ? fmt::format("; did you mean '{}'?", *nearest) : ".",
                                  fmt::join(names, ", "))};
  }

  AdminReply operator()(const ResetCommand&) {
    if (auto refusal = may_change("RESET DIGESTS")) return *refusal;
    target_.reset_digests();
    return AdminDone{};
  }

  AdminReply operator()(const KillCommand& kill) {
    const auto kill_admin = [&] {
      return kill.session >= first_admin_id && client_.kill_admin &&
             client_.kill_admin(kill.session, kill.scope);
    };
    // There is never a statement of an admin client under way: Ctrl-C is harmless.
    if (kill.scope == KillScope::query && kill_admin()) return AdminDone{};
    if (auto refusal = may_change("KILL")) return *refusal;
    if (!kill_admin() && !target_.kill(kill.session, kill.scope))
      return AdminError{
          code::unknown_thread, "HY000",
          fmt::format("Unknown session id: {}; SHOW SESSIONS lists them", kill.session)};
    log::info("admin", "{}@{} killed {} {}", client_.user, client_.host,
              kill.scope == KillScope::query ? "the statement of session" : "session",
              kill.session);
    return AdminDone{};
  }

  AdminReply operator()(const FailoverPlanCommand&) {
    return plan_table(target_.failover_plan(), *target_.topology());
  }

  AdminReply operator()(const SwitchoverCommand& command) {
    if (auto refusal = may_change("SWITCHOVER")) return *refusal;
    const std::string by = fmt::format("{}@{}", client_.user, client_.host);
    const routing::Plan plan = target_.switchover(command.to, by);
    if (plan.acts()) return plan_table(plan, *target_.topology());
    return AdminError{code::unknown_error, "HY000",
                      fmt::format("No switchover to '{}': {} ({})", command.to, plan.why,
                                  routing::to_string(plan.reason))};
  }

  AdminReply operator()(const HelpCommand& help) {
    AdminTable table = help_table(help.topic);
    if (!table.rows.empty()) return table;
    return answer(AdminProblem{
        fmt::format("There is no help on '{}'; HELP lists all commands", help.topic.substr(0, 60)),
        false});
  }

  AdminReply operator()(const UseCommand& use) {
    client_.schema = use.schema;
    return AdminDone{};
  }

  AdminReply operator()(const SelectCommand& select) {
    AdminTable table;
    std::vector<Cell> row;
    const Facts variables = server_variables(client_);
    for (const SelectCommand::Item& item : select.items) {
      std::optional<std::string> value;
      switch (item.kind) {
        case SelectCommand::Kind::variable: {
          const auto found =
              std::find_if(variables.begin(), variables.end(),
                           [&item](const auto& each) { return each.first == item.value; });
          if (found == variables.end())
            return AdminError{unknown_variable, "HY000",
                              fmt::format("Unknown system variable '{}'", item.value)};
          value = found->second;
          break;
        }
        case SelectCommand::Kind::function: value = call(item.value); break;
        case SelectCommand::Kind::literal: value = item.value; break;
        default: break;
      }
      table.columns.push_back({item.column, value ? type_of(*value) : Type::text, true});
      row.push_back(value ? Cell(*value) : Cell());
    }
    if (!select.from_table) table.rows.push_back(std::move(row));
    return table;
  }

  AdminReply operator()(const NoopCommand&) { return AdminDone{}; }

 private:
  [[nodiscard]] std::optional<AdminError> may_change(std::string_view command) const {
    if (client_.rights == AdminClient::Rights::change) return {};
    return AdminError{not_allowed, "42000",
                      fmt::format("Access denied; '{}' may look but not change, {} needs the "
                                  "account '{}'",
                                  client_.user, command, target_.settings().admin.user)};
  }

  [[nodiscard]] std::optional<std::string> call(std::string_view function) const {
    if (function == "version") return std::string(admin_version);
    if (function == "connection_id") return std::to_string(client_.id);
    if (function.ends_with("user")) return fmt::format("{}@{}", client_.user, client_.host);
    if (function == "database" || function == "schema") {
      if (client_.schema.empty()) return {};
      return client_.schema;
    }
    return "0";
  }

  AdminClient& client_;
  AdminTarget& target_;
  Moment now_;
};

}  // namespace

AdminReply answer(const AdminCommand& command, AdminClient& client, AdminTarget& target,
                  Moment now) {
  return std::visit(Answer(client, target, now), command);
}

AdminReply answer(const AdminProblem& problem) {
  return AdminError{problem.empty ? empty_query : code::parse_error, "42000", problem.message};
}

bool only_looks(const AdminCommand& command) noexcept {
  return std::holds_alternative<ShowCommand>(command) ||
         std::holds_alternative<SelectCommand>(command) ||
         std::holds_alternative<HelpCommand>(command);
}

}  // namespace sluice::proxy
