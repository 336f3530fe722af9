#include "proxy/link_verifier.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/internal_query.hpp"
#include "proxy/log.hpp"
#include "proxy/user_variable_question.hpp"
#include "routing/link_audit.hpp"

namespace sluice::proxy {
namespace {

using routing::VariableRows;

/// (name, value) of every row; nothing if the link or the question fails.
Task<std::optional<VariableRows>> ask_pairs(std::shared_ptr<Link> link, std::string statement) {
  InternalQuery query(link->executor());
  const error_code error = co_await query.run(link, std::move(statement));
  if (error || query.refusal()) co_return std::nullopt;
  VariableRows rows;
  for (const InternalQuery::Row& row : query.rows())
    if (row.size() == 2 && row[0]) rows.emplace_back(*row[0], row[1].value_or(""));
  co_return rows;
}

/// User variables that the link has: those it is known to have, and on MariaDB, where
/// they can be listed, all others.
Task<std::optional<std::vector<std::string>>> user_variable_names(std::shared_ptr<Link> link) {
  std::vector<std::string> names = link->user_variables.names();
  if (link->facts().flavour != protocol::Flavour::mariadb) co_return names;
  std::string statement =
      "SELECT LOWER(variable_name), '' FROM information_schema.user_variables"
      " WHERE variable_value IS NOT NULL";
  const auto listed = co_await ask_pairs(link, std::move(statement));
  if (!listed && link->closed()) co_return std::nullopt;
  if (!listed) co_return names;  // the plugin is switched off
  for (const auto& [name, nothing] : *listed)
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  co_return names;
}

/// What differs; nothing if the link could not say.
Task<std::optional<std::vector<std::string>>> differences(std::shared_ptr<Link> link) {
  std::string statement = "SELECT 'schema', DATABASE()";
  const auto schema = co_await ask_pairs(link, std::move(statement));
  if (!schema || schema->size() != 1) co_return std::nullopt;
  std::vector<std::string> names;
  if (schema->front().second != link->image.schema) names.emplace_back("schema");

  statement = "SHOW SESSION VARIABLES";
  const auto actual = co_await ask_pairs(link, statement);
  if (!actual) co_return std::nullopt;
  std::vector<std::string> suspects =
      routing::differing_variables(*actual, link->image, link->snapshot, link->role());
  if (!suspects.empty()) {
    std::string of_all = "SHOW GLOBAL VARIABLES";
    const auto global = co_await ask_pairs(link, std::move(of_all));
    const auto again = co_await ask_pairs(link, std::move(statement));
    if (!global || !again) co_return std::nullopt;
    for (std::string& name : routing::confirmed(suspects, *actual, *global, *again, link->image))
      names.push_back(std::move(name));
  }

  auto variables = co_await user_variable_names(link);
  if (!variables) co_return std::nullopt;
  if (!variables->empty()) {
    routing::UserVariables held;
    const routing::UserVariables known = link->user_variables;
    std::vector<std::string> asked = *variables;
    const std::optional<bool> read = co_await ask_user_variables(link, std::move(asked), held);
    if (read == false) co_return std::nullopt;
    // A value that cannot be read back is none that the link should have.
    if (!read) names.emplace_back("a user variable");
    if (read)
      for (std::string& name : routing::differing_user_variables(held, known))
        names.push_back(std::move(name));
  }
  co_return names;
}

}  // namespace

Task<bool> verify_link(std::shared_ptr<Link> link, const config::Settings& settings,
                       Counters& counters) {
  const std::uint32_t every = settings.session.verify_every;
  if (every == 0) co_return true;
  if (link->snapshot.empty()) {
    std::string statement = "SHOW SESSION VARIABLES";
    const auto rows = co_await ask_pairs(link, std::move(statement));
    if (rows) link->snapshot = routing::VariableSnapshot(*rows, link->image);
    co_return true;
  }
  if (++link->reuses % every != 0) co_return true;
  add(counters.state_checks);
  const auto names = co_await differences(link);
  if (names && names->empty()) co_return true;
  if (!names) {
    link->close();  // it did not answer: it would not answer a session either
    co_return false;
  }
  std::string list;
  for (const std::string& name : *names) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  add(counters.state_mismatches);
  log::error("state", "a link to {} is not in the state that it should be in: {}; it is closed",
             settings.backends[link->backend()].name, list);
  link->close();
  co_return false;
}

}  // namespace sluice::proxy
