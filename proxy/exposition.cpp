#include "proxy/exposition.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace sluice::proxy {
namespace {

std::string_view name_of(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::counter: return "counter";
    case Exposition::Type::gauge: return "gauge";
    case Exposition::Type::histogram: return "histogram";
  }
  return "untyped";
}

void append_label(std::string& out, std::string_view name, std::string_view value, bool first) {
  if (!first) out += ',';
  out.append(name).append("=\"");
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string print(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

double seconds(std::uint64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                 name_of(type));
}

void Exposition::sample(std::uint64_t value, Labels labels) {
  line({}, labels, {}, {}, fmt::format_int(value).c_str());
}

void Exposition::sample(double value, Labels labels) { line({}, labels, {}, {}, print(value)); }

void Exposition::histogram(const Latency::Reading& reading, Labels labels) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < reading.counts.size(); ++i) {
    count += reading.counts[i];
    const bool last = i == Latency::bounds_us.size();
    const std::string bound = last ? "+Inf" : print(seconds(Latency::bounds_us[i]));
    line("_bucket", labels, "le", bound, fmt::format_int(count).c_str());
  }
  line("_sum", labels, {}, {}, print(seconds(reading.sum_us)));
  line("_count", labels, {}, {}, fmt::format_int(count).c_str());
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view last_name,
                      std::string_view last_value, std::string_view value) {
  text_.append(name_).append(suffix);
  if (labels.size() > 0 || !last_name.empty()) {
    text_ += '{';
    bool first = true;
    for (const Label& label : labels)
      append_label(text_, label.name, label.value, std::exchange(first, false));
    if (!last_name.empty()) append_label(text_, last_name, last_value, first);
    text_ += '}';
  }
  text_.append(" ").append(value).append("\n");
}

}  // namespace sluice::proxy
