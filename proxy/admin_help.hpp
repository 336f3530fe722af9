/// The admin commands as HELP tells them; also what a mistyped one is compared with.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::proxy {

struct AdminTopic {
  std::string_view command;  ///< "SET BACKEND"
  std::string_view syntax;
  std::string_view purpose;  ///< one line
  std::string_view text;
  std::string_view example;
};

[[nodiscard]] std::span<const AdminTopic> admin_topics();

/// By command ("set backend"), or by its last word ("backends"). Null: no such topic.
[[nodiscard]] const AdminTopic* find_admin_topic(std::string_view name);

/// The command that a mistyped line was meant to begin with.
[[nodiscard]] std::optional<std::string> nearest_admin_command(std::string_view first,
                                                               std::string_view second);

}  // namespace sluice::proxy
