/// Asks a link what user variables are, as literals that another link can be given.
///
/// Thread: the link's worker.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/link.hpp"
#include "routing/user_variables.hpp"

namespace sluice::proxy {

/// Among the names: all that the link has, whatever their names. MariaDB only.
inline constexpr std::string_view all_user_variables{};

/// Reads `names` into `into`, and into the link's own record. False if the link fails,
/// nullopt if a value cannot be carried. `into` is borrowed over the await.
Task<std::optional<bool>> ask_user_variables(std::shared_ptr<Link> link,
                                             std::vector<std::string> names,
                                             routing::UserVariables& into);

}  // namespace sluice::proxy
