/// Writes metrics in Prometheus' text format.
///
///     Exposition out;
///     out.family("sluice_reads_total", Exposition::Type::counter, "Statements served as reads.");
///     out.sample(7, {{"backend", "r1"}});
///
/// Units: what names end in: _seconds, _bytes; _total for counters.
/// Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy/latency.hpp"

namespace sluice::proxy {

class Exposition {
 public:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  struct Label {
    std::string_view name;
    std::string_view value;  ///< any text; it is escaped
  };
  using Labels = std::initializer_list<Label>;

  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

  /// Begins a metric; its samples follow.
  void family(std::string_view name, Type type, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  void sample(double value, Labels labels = {});
  void sample(bool value, Labels labels = {}) { sample(std::uint64_t{value ? 1U : 0U}, labels); }
  /// All lines of a histogram, in seconds.
  void histogram(const Latency::Reading& reading, Labels labels = {});

  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  void line(std::string_view suffix, Labels labels, std::string_view last_name,
            std::string_view last_value, std::string_view value);

  std::string text_;
  std::string name_;
};

}  // namespace sluice::proxy
