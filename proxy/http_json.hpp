/// JSON of the HTTP port: tables as SHOW has them, the dashboard's overview, and the
/// body of a change. Pure.
///
/// A table becomes an array of objects, a row each, with the columns' names; numbers
/// and NULL stay what they are. What is not UTF-8 becomes U+FFFD.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/admin_target.hpp"
#include "proxy/admin_views.hpp"
#include "proxy/http_access.hpp"

namespace sluice::proxy {

[[nodiscard]] std::string table_json(const AdminTable& table);

/// Everything that the dashboard shows, at one moment. Of the sessions at most
/// a hundred, those first that are bound or busy.
[[nodiscard]] std::string overview_json(const AdminTarget& target, const HttpCaller& caller,
                                        Moment now);

/// {"user": …, "rights": "none" | "look" | "change", "change_token": …}; the token is
/// null for who may not change.
[[nodiscard]] std::string login_json(const HttpCaller& caller, std::string_view change_token);

/// {"error": …}
[[nodiscard]] std::string error_json(std::string_view message);

/// {"views": ["backends", …]}
[[nodiscard]] std::string list_json(std::string_view name, const std::vector<std::string>& items);

/// The body of a change: {"state": "drain", "why": "new disk"}.
struct ChangeBody {
  std::string state;
  std::string why;  ///< may be missing
};
/// nullopt: it is not that.
[[nodiscard]] std::optional<ChangeBody> parse_change(std::string_view body);

}  // namespace sluice::proxy
