/// Finds the word that a mistyped one was meant to be.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::config {

/// Insertions, deletions, replacements and swaps of neighbours (Damerau and
/// Levenshtein, no substring edited twice) that turn `a` into `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, if one is near enough to be worth a suggestion. Case,
/// `-` and `_` count for nothing: "Max-Lag" is "max_lag". The longer wins
/// a tie, then the first.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 std::span<const std::string> known);

}  // namespace sluice::config
