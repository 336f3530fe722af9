#include "config/load_secret.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace sluice::config {

std::optional<std::string> why_unreadable(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return "it is a directory";
  errno = 0;
  const std::ifstream file(path, std::ios::binary);
  if (file.is_open()) return {};
  return std::generic_category().message(errno);
}

LoadedSecret load_secret_from_environment(const std::string& variable) {
  const char* found = variable.empty() ? nullptr : std::getenv(variable.c_str());
  if (found != nullptr) return {Secret(found), {}, {}, {}};
  // The text is not repeated: it may be the password itself, put under the wrong key.
  return {{},
          "there is no environment variable of that name",
          "set it for Sluice's process; this key takes its name, not the password",
          {}};
}

LoadedSecret load_secret_from_file(const std::filesystem::path& path) {
  LoadedSecret loaded;
  const std::string name = path.string();
  if (const auto wrong = why_unreadable(path)) {
    loaded.what = fmt::format("cannot read {}: {}", name, *wrong);
    loaded.mend = "check the path, and who may read it";
    return loaded;
  }
  std::ifstream file(path, std::ios::binary);
  std::string line;
  line.reserve(256);
  std::getline(file, line);
  // Editors end the line; some of them with CR LF.
  if (!line.empty() && line.back() == '\r') line.pop_back();
  const bool more = file.peek() != std::ifstream::traits_type::eof();
  loaded.secret = Secret(line);
  wipe(line);
  std::error_code failed;
  const auto permissions = std::filesystem::status(path, failed).permissions();
  using std::filesystem::perms;
  if (more) {
    loaded.what = fmt::format("{} has more than one line", name);
    loaded.mend = "leave the password alone in it";
  } else if (loaded.secret.empty()) {
    loaded.what = fmt::format("{} is empty", name);
    loaded.mend = "write the password into it";
  } else if (!failed && (permissions & perms::others_read) != perms::none) {
    loaded.what = fmt::format("everyone on this machine may read {}", name);
    loaded.mend = fmt::format("run chmod o= {}", name);
    loaded.severity = Problem::Severity::warning;
  }
  return loaded;
}

}  // namespace sluice::config
