/// The table of all knobs: their names in TOML and what may stand there.
///
/// Loading, validating, comparing and the test of example.toml walk this table,
/// so a new knob is a member in settings.hpp, a line in keys.cpp and a paragraph
/// in example.toml. The kind of a knob is the type of its member.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"

namespace sluice::config {

/// The member of a Settings that a key fills. Lifetime: of that Settings, until
/// its vectors grow.
using Field =
    std::variant<std::string*, Secret*, bool*, std::uint32_t*, std::optional<std::uint32_t>*,
                 milliseconds*, std::optional<milliseconds>*, ByteSize*, std::filesystem::path*,
                 Address*, std::optional<Address>*, std::vector<Address>*, ClientTls*, BackendTls*,
                 Causal*, ReadsOnPrimary*, FailoverMode*, LogLevel*, LogFormat*>;

/// Both ends are allowed. In milliseconds, bytes or plain counts, as the field is.
struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
};

/// What holds of a key besides its type.
struct Rules {
  Range range{};
  bool required = false;
  bool needs_restart = false;      ///< a change does not apply to a running process
  std::uint16_t default_port = 0;  ///< of an address that names none; 0: it must name one
  bool is_output = false;          ///< a file that we write: it need not be there yet
  std::string_view also{};         ///< a second name: the word "master" for "primary"
  /// Values, separated by spaces, that nothing obeys yet; "*": all but the default.
  /// Setting one draws a warning. Delete the word when the value works.
  std::string_view later{};
};

struct Key {
  std::string_view section;
  std::string_view name;
  Field (*field)(Settings& settings, std::size_t entry);
  Rules rules{};
};

struct Section {
  std::string_view name;
  std::size_t (*entries)(const Settings& settings);
  void (*append)(Settings& settings);  ///< null: stands once, [name]; else [[name]]
  [[nodiscard]] bool repeated() const { return append != nullptr; }
  /// As its heading in the file: "[listen]", "[[backend]]".
  [[nodiscard]] std::string heading() const;
};

[[nodiscard]] std::span<const Section> sections();
[[nodiscard]] std::span<const Key> keys();

[[nodiscard]] const Section* find_section(std::string_view name);

/// A password is written in one of three ways; other keys in one.
enum class Source { inline_text, environment, file };

/// A name that may stand in a section: "password" and "password_env" are two
/// spellings of one key.
struct Spelling {
  const Key* key = nullptr;
  std::string name;
  Source source = Source::inline_text;
};

/// All names that may stand in the section, in the order of the table.
[[nodiscard]] std::vector<Spelling> spellings(std::string_view section);

/// The words of an enum, in the order of its enumerators.
[[nodiscard]] std::span<const std::string_view> words(const Field& field);

/// The enumerator's position among `words()`. Only for enums.
[[nodiscard]] std::size_t word_index(const Field& field);
void set_word(const Field& field, std::size_t index);

/// "backend.db1.weight", or "backend[2].weight" (from 1) where there is no name.
[[nodiscard]] std::string path_of(const Settings& settings, std::string_view section,
                                  std::size_t entry, std::string_view key);

/// The value as TOML would spell it; "***" for secrets, "" for what is not set.
[[nodiscard]] std::string print_value(const Key& key, const Settings& settings, std::size_t entry);

/// Has the key the same value in entry `i` of `a` and entry `j` of `b`?
[[nodiscard]] bool same_value(const Key& key, const Settings& a, std::size_t i, const Settings& b,
                              std::size_t j);

}  // namespace sluice::config
