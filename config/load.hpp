/// Reads a TOML file into Settings, and tells everything that is wrong with it.
///
/// The only part of config that touches the world: it reads the file, the files
/// and environment variables that hold passwords, and looks whether TLS files can
/// be read. Relative paths are taken from the folder of the configuration file.
///
/// Errors: never throws for what an operator did. When `ok()` is false, the
/// settings are unfit for use. A syntax error hides all that a parse would find.
/// Source: TOML 1.0.0.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.hpp"
#include "config/settings.hpp"

namespace sluice::config {

struct Loaded {
  Settings settings;
  std::vector<Problem> problems;  ///< by line; warnings too

  [[nodiscard]] bool ok() const { return !any_error(problems); }
};

[[nodiscard]] Loaded load_file(const std::filesystem::path& path);

/// `name` is what problems call the text, and its folder is where relative paths start.
[[nodiscard]] Loaded load_text(std::string_view text, const std::string& name);

}  // namespace sluice::config
