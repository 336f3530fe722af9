#include "config/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace sluice::config {

std::string to_string(const Problem& problem) {
  std::string text = problem.file;
  if (problem.line != 0) text += fmt::format(":{}", problem.line);
  // A key finds itself in its line; a syntax error has only its column.
  if (problem.key.empty() && problem.column != 0) text += fmt::format(":{}", problem.column);
  text += text.empty() ? "" : ": ";
  if (problem.severity == Problem::Severity::warning) text += "warning: ";
  if (!problem.key.empty()) text += problem.key + ": ";
  text += problem.what;
  if (!problem.mend.empty()) text += "; " + problem.mend;
  return text;
}

std::ostream& operator<<(std::ostream& out, const Problem& problem) {
  return out << to_string(problem);
}

bool any_error(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& problem) {
    return problem.severity == Problem::Severity::error;
  });
}

void Places::put(std::string_view section, std::size_t entry, std::string_view key, Place place) {
  places_[{std::string(section), entry, std::string(key)}] = place;
}

Places::Place Places::find(std::string_view section, std::size_t entry,
                           std::string_view key) const {
  for (const std::string_view name : {key, std::string_view()}) {
    const auto found = places_.find({std::string(section), entry, std::string(name)});
    if (found != places_.end()) return found->second;
  }
  return {};
}

bool Places::has(std::string_view section, std::size_t entry, std::string_view key) const {
  return places_.contains({std::string(section), entry, std::string(key)});
}

}  // namespace sluice::config
