/// A fixed set of ASCII words, each with a value, found without regard to case.
///
/// Built at compile time; a lookup is one hash of at most 16 folded bytes and,
/// nearly always, one comparison. Values are what the caller wants to know
/// about a word: a keyword's enumerator, a function's nature.
///
/// Words may hold letters, digits, `_` and `$`: on these, clearing bit 5 folds
/// the case and keeps different characters different.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::routing {

/// The first and last eight bytes, folded; with the length they are the whole
/// of a word of up to 16 bytes.
struct FoldedWord {
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  friend constexpr bool operator==(const FoldedWord&, const FoldedWord&) = default;
};

namespace word_table {

constexpr std::uint64_t byte(char c) { return static_cast<unsigned char>(c); }

// Compilers turn these into single loads.
constexpr std::uint64_t load4(const char* p) {
  return byte(p[0]) | byte(p[1]) << 8 | byte(p[2]) << 16 | byte(p[3]) << 24;
}
constexpr std::uint64_t load8(const char* p) {
  return byte(p[0]) | byte(p[1]) << 8 | byte(p[2]) << 16 | byte(p[3]) << 24 | byte(p[4]) << 32 |
         byte(p[5]) << 40 | byte(p[6]) << 48 | byte(p[7]) << 56;
}

constexpr std::uint64_t fold_mask = 0xDFDFDFDFDFDFDFDFULL;

constexpr FoldedWord fold(const char* p, std::size_t n) {
  if (n > 8) return {load8(p) & fold_mask, load8(p + n - 8) & fold_mask};
  if (n >= 4) return {(load4(p) | load4(p + n - 4) << 32) & fold_mask, 0};
  if (n == 0) return {};
  return {(byte(p[0]) | byte(p[n / 2]) << 8 | byte(p[n - 1]) << 16) & fold_mask, 0};
}

constexpr bool same(char a, char b) { return (byte(a) & 0xDF) == (byte(b) & 0xDF); }

}  // namespace word_table

/// True if `text` is `word` but for the case of its letters.
constexpr bool same_word(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!word_table::same(text[i], word[i])) return false;
  }
  return true;
}

constexpr bool starts_with_word(std::string_view text, std::string_view beginning) {
  return text.size() >= beginning.size() && same_word(text.substr(0, beginning.size()), beginning);
}

/// `Slots` is a power of two, at least twice the number of words.
template <typename Value, std::size_t Slots>
class WordTable {
  static_assert((Slots & (Slots - 1)) == 0);

 public:
  /// `word` must outlive the table. A word added twice keeps its first value.
  constexpr void add(std::string_view word, Value value) {
    const FoldedWord key = word_table::fold(word.data(), word.size());
    std::size_t slot = slot_of(key, word.size());
    while (!slots_[slot].word.empty()) slot = (slot + 1) & (Slots - 1);
    slots_[slot] = {key, word, value};
  }

  /// Null if `text` is not in the table.
  [[nodiscard]] constexpr const Value* find(std::string_view text) const {
    const FoldedWord key = word_table::fold(text.data(), text.size());
    for (std::size_t slot = slot_of(key, text.size()); !slots_[slot].word.empty();
         slot = (slot + 1) & (Slots - 1)) {
      const Slot& s = slots_[slot];
      if (s.key == key && s.word.size() == text.size() &&
          (text.size() <= 16 || same_word(text, s.word))) {
        return &s.value;
      }
    }
    return nullptr;
  }

 private:
  struct Slot {
    FoldedWord key;
    std::string_view word;
    Value value{};
  };

  static constexpr std::size_t slot_of(const FoldedWord& key, std::size_t length) {
    const std::uint64_t mixed =
        (key.head ^ (key.tail * 0x9E3779B97F4A7C15ULL) ^ length) * 0xD6E8FEB86659FD93ULL;
    return static_cast<std::size_t>(mixed >> 40) & (Slots - 1);
  }

  std::array<Slot, Slots> slots_{};
};

/// Calls `each(word)` for every word of a list separated by spaces.
template <typename Each>
constexpr void for_each_word(std::string_view list, Each each) {
  while (!list.empty()) {
    const std::size_t end = list.find(' ') == list.npos ? list.size() : list.find(' ');
    if (end > 0) each(list.substr(0, end));
    list.remove_prefix(end == list.size() ? end : end + 1);
  }
}

}  // namespace sluice::routing
