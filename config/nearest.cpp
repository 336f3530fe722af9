#include "config/nearest.hpp"

#include <algorithm>
#include <vector>

namespace sluice::config {
namespace {

std::string plain(std::string_view word) {
  std::string out;
  for (const char c : word)
    if (c != '-' && c != '_' && c != ' ')
      out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  const std::string wanted = plain(word);
  std::optional<std::string> best;
  // A third of the letters may be wrong. Nobody mistypes a word of a kilobyte:
  // that one is not worth the square of its length.
  std::size_t least = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  if (wanted.empty() || wanted.size() > 100) return best;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(wanted, plain(candidate));
    // Letters are left out more often than added: of two, the longer was meant.
    const bool better =
        distance < least || (best && distance == least && candidate.size() > best->size());
    if (!better) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

}  // namespace sluice::config
