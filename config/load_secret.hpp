/// Fetches a password from where the configuration says it is. Part of loading:
/// like load.hpp, and nothing else here, it touches the world.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "config/problem.hpp"
#include "config/secret.hpp"

namespace sluice::config {

/// Why the file cannot be read, in the system's words; nothing if it can.
[[nodiscard]] std::optional<std::string> why_unreadable(const std::filesystem::path& path);

/// A password, or why there is none; with a password, the problem is a warning.
struct LoadedSecret {
  Secret secret;
  std::string what;  ///< empty: all is well
  std::string mend;
  Problem::Severity severity = Problem::Severity::error;
};

[[nodiscard]] LoadedSecret load_secret_from_environment(const std::string& variable);

/// The file's only line, without its end.
[[nodiscard]] LoadedSecret load_secret_from_file(const std::filesystem::path& path);

}  // namespace sluice::config
