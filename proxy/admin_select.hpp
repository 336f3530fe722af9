/// The SELECT part of parse_admin: a list of what needs no table.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "proxy/admin_command.hpp"
#include "proxy/admin_scanner.hpp"

namespace sluice::proxy {

/// `tokens[at]` is the SELECT.
[[nodiscard]] std::variant<AdminCommand, AdminProblem> select_list(
    std::string_view line, const std::vector<AdminToken>& tokens, std::size_t at);

}  // namespace sluice::proxy
