/// Times and sizes as an operator writes them: "250ms", "1.5s", "1m30s", "16MiB".
///
/// Units: durations down to the millisecond (ms, s, m, h, d); sizes in
/// powers of 1024 (B, KiB, MiB, GiB), since "MB" means two things.
/// Errors: `Parsed` without a value says what is wrong and how to mend it.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::config {

/// A number of bytes.
struct ByteSize {
  std::uint64_t bytes = 0;
  friend auto operator<=>(const ByteSize&, const ByteSize&) = default;
};

[[nodiscard]] constexpr ByteSize kibibytes(std::uint64_t n) { return {n << 10}; }
[[nodiscard]] constexpr ByteSize mebibytes(std::uint64_t n) { return {n << 20}; }

/// What reading an operator's text gave: a value, or what is wrong and the mend.
template <class T>
struct Parsed {
  std::optional<T> value;
  std::string what;  ///< "has no unit"; empty when there is a value
  std::string mend;  ///< "write \"250ms\""; may be empty
};

[[nodiscard]] Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] Parsed<ByteSize> parse_size(std::string_view text);

/// The shortest exact form: 1500ms, 2m, 16MiB. The parser reads it back.
[[nodiscard]] std::string to_string(std::chrono::milliseconds duration);
[[nodiscard]] std::string to_string(ByteSize size);

std::ostream& operator<<(std::ostream& out, ByteSize size);

}  // namespace sluice::config
