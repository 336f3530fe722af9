#include "config/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ostream>
#include <span>

namespace sluice::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;  // in the smallest unit of its table
};

constexpr std::array<Unit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> size_units{
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};

// About 31 years, 1 PiB: nobody means more, and sums stay far from overflow.
constexpr std::uint64_t most = 1'000'000'000'000ULL;
constexpr std::uint64_t most_bytes = 1ULL << 50;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string_view take_while(std::string_view& text, bool (*wanted)(char)) {
  const auto end = std::find_if_not(text.begin(), text.end(), wanted);
  const auto length = static_cast<std::size_t>(end - text.begin());
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(length);
  return taken;
}

void skip_spaces(std::string_view& text) {
  take_while(text, [](char c) { return c == ' '; });
}

// Digits with an optional fraction, times `unit`; nothing if not a whole number
// of the smallest unit, or too much.
std::optional<std::uint64_t> scale(std::string_view whole, std::string_view fraction,
                                   std::uint64_t unit, std::uint64_t limit) {
  std::uint64_t total = 0;
  for (const char digit : whole) {
    total = total * 10 + static_cast<std::uint64_t>(digit - '0');
    if (total > limit) return {};
  }
  if (total > limit / unit) return {};
  total *= unit;
  // `rest` is the fraction of the unit in 1/`parts`; it must come out whole.
  std::uint64_t rest = 0;
  std::uint64_t parts = 1;
  for (const char digit : fraction) {
    if (parts > 100'000) return {};
    rest = rest * 10 + static_cast<std::uint64_t>(digit - '0');
    parts *= 10;
  }
  if (rest * unit % parts != 0) return {};
  return total + rest * unit / parts;
}

std::string names_of(std::span<const Unit> units) {
  std::string names;
  for (const Unit& unit : units)
    names = fmt::format("{}{}{}", unit.name, names.empty() ? "" : ", ", names);
  return names;
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name,
                      bool (*same)(std::string_view, std::string_view)) {
  const auto found = std::find_if(units.begin(), units.end(),
                                  [&](const Unit& unit) { return same(unit.name, name); });
  return found == units.end() ? nullptr : &*found;
}

// A sequence of numbers with units, such as "1m30s".
Parsed<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                     std::string_view example, std::uint64_t limit) {
  const auto refuse = [&](std::string what, std::string mend) {
    return Parsed<std::uint64_t>{{}, std::move(what), std::move(mend)};
  };
  const std::string write_example = fmt::format("write for instance \"{}\"", example);
  const std::string original(text);
  std::uint64_t total = 0;
  skip_spaces(text);
  if (text.empty()) return refuse("is empty", write_example);
  if (text.front() == '-')
    return refuse(fmt::format("\"{}\" is negative", original), write_example);
  while (!text.empty()) {
    const std::string_view whole = take_while(text, is_digit);
    std::string_view fraction;
    if (!text.empty() && text.front() == '.') {
      text.remove_prefix(1);
      fraction = take_while(text, is_digit);
    }
    if (whole.empty())
      return refuse(fmt::format("\"{}\" is not understood", original), write_example);
    skip_spaces(text);
    const std::string_view name = take_while(text, is_letter);
    if (name.empty() && text.empty())
      return refuse(fmt::format("\"{}\" has no unit", original),
                    fmt::format("add one of {}, for instance \"{}\"", names_of(units), example));
    const Unit* unit = find_unit(units, name, [](auto a, auto b) { return a == b; });
    if (unit == nullptr) {
      const Unit* meant = find_unit(units, name, equal_ignoring_case);
      // "MB", "mb", "M", "k": powers of 1024 are all that we have.
      for (std::size_t i = 0; meant == nullptr && i < units.size(); ++i)
        if (!name.empty() && units[i].name.size() == 3 &&
            equal_ignoring_case(name.substr(0, 1), units[i].name.substr(0, 1)))
          meant = &units[i];
      return refuse(fmt::format("\"{}\" has the unknown unit \"{}\"", original, name),
                    meant != nullptr
                        ? fmt::format("did you mean \"{}{}{}{}\"?", whole,
                                      fraction.empty() ? "" : ".", fraction, meant->name)
                        : fmt::format("the units are {}", names_of(units)));
    }
    const auto amount = scale(whole, fraction, unit->size, limit);
    if (!amount || total + *amount > limit)
      return refuse(
          fmt::format("\"{}\" is too large, or finer than 1{}", original, units.back().name),
          write_example);
    total += *amount;
    skip_spaces(text);
  }
  return {total, {}, {}};
}

std::string print(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (value != 0 && value % unit.size == 0)
      return fmt::format("{}{}", value / unit.size, unit.name);
  return fmt::format("0{}", units.back().name);
}

}  // namespace

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
  auto parsed = parse_quantity(text, duration_units, "250ms", most);
  if (!parsed.value) return {{}, std::move(parsed.what), std::move(parsed.mend)};
  return {std::chrono::milliseconds(*parsed.value), {}, {}};
}

Parsed<ByteSize> parse_size(std::string_view text) {
  auto parsed = parse_quantity(text, size_units, "1MiB", most_bytes);
  if (!parsed.value) return {{}, std::move(parsed.what), std::move(parsed.mend)};
  return {ByteSize{*parsed.value}, {}, {}};
}

std::string to_string(std::chrono::milliseconds duration) {
  return print(static_cast<std::uint64_t>(duration.count()), duration_units);
}

std::string to_string(ByteSize size) { return print(size.bytes, size_units); }

std::ostream& operator<<(std::ostream& out, ByteSize size) { return out << to_string(size); }

}  // namespace sluice::config
