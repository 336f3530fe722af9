/// Reads a line of admin SQL into a typed command. Pure.
///
/// Case does not matter; names may be bare or quoted; `;` and `\G` at the end are
/// tolerated; master and slave are understood for primary and replica. Beside the
/// commands of admin_help.hpp it understands what clients and drivers ask of any
/// server when they connect (SELECT @@…, SET NAMES …, SHOW COLLATION and so on).
///
/// Errors: AdminProblem, whose message says what would have been right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/session_registry.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// What a SHOW shows. From `databases` on: nothing, in a shape that clients expect.
enum class AdminView : std::uint8_t {
  backends,
  primary,   ///< of the backends, the primary
  replicas,  ///< of the backends, the replicas
  sessions,
  status,
  topology,
  alerts,
  variables,
  users,
  digests,
  decisions,
  latency,
  route_history,
  failover,  ///< how things stand, and what would be done
  failover_history,
  databases,
  tables,
  warnings,
  other,
};

/// Patterns of LIKE, any of which may match. None at all lets everything pass.
class AdminFilter {
 public:
  AdminFilter() = default;
  explicit AdminFilter(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}
  [[nodiscard]] bool passes(std::string_view text) const;
  [[nodiscard]] const std::vector<std::string>& patterns() const noexcept { return patterns_; }

 private:
  std::vector<std::string> patterns_;
};

/// SQL's LIKE: `%`, `_`, and `\` to escape them. Case (ASCII) does not matter.
[[nodiscard]] bool like(std::string_view text, std::string_view pattern);

struct ShowCommand {
  AdminView view = AdminView::other;
  AdminFilter filter;                      ///< of names: backend, user, variable, alarm
  std::optional<std::uint64_t> session{};  ///< SHOW ROUTE HISTORY FOR SESSION
};

struct SetBackendCommand {
  std::string backend;
  routing::AdminState state = routing::AdminState::online;
  std::string why;  ///< may be empty
};

/// RESET DIGESTS
struct ResetCommand {};

struct KillCommand {
  std::uint64_t session = 0;
  KillScope scope = KillScope::connection;
};

/// FAILOVER PLAN: nothing is done.
struct FailoverPlanCommand {};

struct SwitchoverCommand {
  std::string to;
};

struct HelpCommand {
  std::string topic;  ///< empty: all of it
};

struct UseCommand {
  std::string schema;
};

/// What drivers ask for: `SELECT @@version, DATABASE() AS db, 1`.
struct SelectCommand {
  enum class Kind : std::uint8_t {
    variable,  ///< `value` is its name without @@ and scope, lower case
    function,  ///< `value` is its name, lower case
    literal,   ///< `value` is it
    null,
    column,  ///< of a table, which is empty
  };
  struct Item {
    Kind kind = Kind::literal;
    std::string value;
    std::string column;  ///< what the result calls it
  };
  std::vector<Item> items;
  bool from_table = false;  ///< a table of the server's own: there are no rows
};

/// Accepted without effect: SET NAMES, COMMIT and the like.
struct NoopCommand {};

using AdminCommand =
    std::variant<ShowCommand, SetBackendCommand, ResetCommand, KillCommand, HelpCommand, UseCommand,
                 SelectCommand, FailoverPlanCommand, SwitchoverCommand, NoopCommand>;

struct AdminProblem {
  std::string message;
  bool empty = false;  ///< there was no command at all (ERR 1065)
};

[[nodiscard]] std::variant<AdminCommand, AdminProblem> parse_admin(std::string_view line);

/// Where the `?` of a statement to be prepared are.
[[nodiscard]] std::vector<std::size_t> admin_parameters(std::string_view line);

}  // namespace sluice::proxy
