#include "proxy/log.hpp"

#include <fmt/chrono.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <iterator>
#include <string>

namespace sluice::proxy::log {
namespace {

std::atomic<config::LogLevel> level_now{config::LogLevel::info};
std::atomic<config::LogFormat> format_now{config::LogFormat::human};

std::string_view word(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::error: return "error";
    case config::LogLevel::warning: return "warning";
    case config::LogLevel::info: return "info";
    case config::LogLevel::debug: return "debug";
  }
  return "?";
}

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

void configure(config::LogLevel level, config::LogFormat format) noexcept {
  level_now.store(level, std::memory_order_relaxed);
  format_now.store(format, std::memory_order_relaxed);
}

bool enabled(config::LogLevel level) noexcept {
  return level <= level_now.load(std::memory_order_relaxed);
}

void write(config::LogLevel level, std::string_view event, std::string_view text) {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::tm utc = fmt::gmtime(std::chrono::system_clock::to_time_t(now));
  fmt::memory_buffer line;
  auto out = std::back_inserter(line);
  if (format_now.load(std::memory_order_relaxed) == config::LogFormat::json) {
    fmt::format_to(out, R"({{"time":"{:%FT%T}.{:03}Z","level":"{}","event":)", utc, ms,
                   word(level));
    append_json_string(line, event);
    fmt::format_to(out, R"(,"text":)");
    append_json_string(line, text);
    line.push_back('}');
  } else {
    fmt::format_to(out, "{:%F %T}.{:03} {:<7} {}: ", utc, ms, word(level), event);
    // A line is a line: what a peer sent must not be able to forge another.
    for (const char c : text) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  line.push_back('\n');
  // Nobody is left to tell if stderr is gone.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sluice::proxy::log
