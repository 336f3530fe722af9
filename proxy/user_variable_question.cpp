#include "proxy/user_variable_question.hpp"

#include <algorithm>
#include <utility>

#include "proxy/internal_query.hpp"

namespace sluice::proxy {

Task<std::optional<bool>> ask_user_variables(std::shared_ptr<Link> link,
                                             std::vector<std::string> names,
                                             routing::UserVariables& into) {
  InternalQuery query(link->executor());
  const auto all_of_them = std::find(names.begin(), names.end(), all_user_variables);
  if (all_of_them != names.end()) {
    names.erase(all_of_them);
    std::string list =
        "SELECT LOWER(variable_name) FROM information_schema.user_variables"
        " WHERE variable_value IS NOT NULL";
    const error_code failure = co_await query.run(link, std::move(list));
    if (failure) co_return false;
    if (query.refusal()) link->dirty = true;  // its plugin is switched off: nobody else may have it
    // And those that were known: they may be unset by now.
    std::vector<std::string> more = into.names();
    for (const InternalQuery::Row& row : query.rows())
      if (row.size() == 1 && row[0]) more.push_back(*row[0]);
    for (std::string& name : more)
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(std::move(name));
    if (names.empty()) co_return true;
  }
  std::string statement = routing::question(names);
  const error_code error = co_await query.run(link, std::move(statement));
  // Megabytes in variables are no fault of the link: they stay there.
  if (error == protocol::make_error_code(protocol::Errc::too_large)) co_return std::nullopt;
  if (error) co_return false;
  if (query.refusal() || query.rows().size() != 1 || query.rows()[0].size() != 3 * names.size() ||
      query.columns().size() != 3 * names.size()) {
    co_return std::nullopt;
  }
  bool all = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const InternalQuery::Row& row = query.rows()[0];
    routing::UserVariableAnswer answer;
    answer.type = query.columns()[3 * i].type;
    answer.is_unsigned =
        (query.columns()[3 * i].flags & protocol::column_flag::unsigned_number) != 0;
    answer.value = row[3 * i];
    answer.hex = row[3 * i + 1];
    answer.collation = row[3 * i + 2];
    auto literal = routing::literal_of(answer);
    all = all && literal.has_value();
    if (!literal) continue;
    link->user_variables.set(names[i], *literal);
    into.set(names[i], std::move(*literal));
  }
  if (!all || !into.fits()) co_return std::nullopt;
  co_return true;
}

}  // namespace sluice::proxy
