/// Carries out one admin command and says what its client hears.
///
/// Errors are the server's own codes: 1064 unknown command, 1065 empty, 1094
/// unknown session, 1105 unknown backend, 1193 unknown variable, 1227 not allowed.
/// Thread: the control thread, whose AdminTarget it asks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/admin_command.hpp"
#include "proxy/admin_target.hpp"
#include "proxy/admin_views.hpp"

namespace sluice::proxy {

/// What the admin port calls itself; clients read a major version of 8 in it.
inline constexpr std::string_view admin_version = "8.0.0-Sluice-admin";

/// A command longer than this is refused.
inline constexpr std::size_t admin_max_packet = 64 * 1024;

/// Connection ids of admin clients begin here and those of sessions at 1, so that
/// Ctrl-C in an admin client (KILL QUERY of its own id) never hits a session.
inline constexpr std::uint32_t first_admin_id = 0x8000'0000;

/// Who asks.
struct AdminClient {
  enum class Rights : std::uint8_t { look, change };

  std::uint32_t id = first_admin_id;
  std::string user;
  std::string host;
  std::string schema;  ///< USE changes it; means nothing
  Rights rights = Rights::look;
  /// KILL of an admin client; false if there is none with this id.
  std::function<bool(std::uint64_t id, KillScope scope)> kill_admin;
};

struct AdminDone {
  std::uint64_t affected = 0;
};

struct AdminError {
  std::uint16_t code = 0;
  std::string_view sql_state;
  std::string message;
};

using AdminReply = std::variant<AdminTable, AdminDone, AdminError>;

[[nodiscard]] AdminReply answer(const AdminCommand& command, AdminClient& client,
                                AdminTarget& target, Moment now);
[[nodiscard]] AdminReply answer(const AdminProblem& problem);

/// True if answer() would only look, so that it may be asked ahead of time.
[[nodiscard]] bool only_looks(const AdminCommand& command) noexcept;

}  // namespace sluice::proxy
