/// One line per event, on stderr, for people or as JSON.
///
///     log::info("backend", "{} is the primary now: {}", name, reason);
///
/// The event is a word to filter by; the text is for people. Secrets never come
/// here: config::Secret does not print.
/// Thread: any; a line is written by one write(2).
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "config/settings.hpp"

namespace sluice::proxy::log {

void configure(config::LogLevel level, config::LogFormat format) noexcept;
[[nodiscard]] bool enabled(config::LogLevel level) noexcept;
void write(config::LogLevel level, std::string_view event, std::string_view text);

template <class... Args>
void error(std::string_view event, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(config::LogLevel::error))
    write(config::LogLevel::error, event, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::string_view event, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(config::LogLevel::warning))
    write(config::LogLevel::warning, event, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view event, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(config::LogLevel::info))
    write(config::LogLevel::info, event, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void debug(std::string_view event, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(config::LogLevel::debug))
    write(config::LogLevel::debug, event, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace sluice::proxy::log
