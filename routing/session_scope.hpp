/// Makes MariaDB's trackers hear of SET @@name.
///
/// To MariaDB an unscoped @@name is neither SESSION nor GLOBAL, and what is set that
/// way is reported by no tracker, although it is the session's value that changes:
/// nobody would replay it on other links, or take it off this one. `session.` is put
/// behind such an @@. MySQL reports all of them.
///
/// Left alone: @@tx_isolation and its like, which without a scope mean the next
/// transaction only; what is read rather than set; strings that are SQL.
///
/// Errors: none; what cannot be read with certainty is left alone.
/// Source: seen on MariaDB 10.11; its sys_var::update() tells trackers of OPT_SESSION.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "routing/statement.hpp"

namespace sluice::routing {

/// The text with its scopes, or nothing if there is nothing to add. Worth calling
/// only for statements with Effect::sets_variables.
[[nodiscard]] std::optional<std::string> with_session_scope(std::string_view sql,
                                                            const Dialect& dialect);

}  // namespace sluice::routing
