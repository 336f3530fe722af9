#include "proxy/admin_prepared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "protocol/resultset.hpp"
#include "proxy/admin_command.hpp"

namespace sluice::proxy {
namespace {

using protocol::Bytes;
using protocol::ColumnType;

constexpr std::uint8_t unsigned_type = 0x80;
constexpr std::size_t most_long_data = 64 * 1024;

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out += '\'';
}

template <class Float>
std::string floating(Bytes raw) {
  Float value = 0;
  std::memcpy(&value, raw.data(), sizeof value);
  return fmt::format("{}", value);
}

std::string integer(Bytes raw, bool is_unsigned) {
  const std::uint64_t bits = protocol::Reader(raw).integer(raw.size());
  if (is_unsigned) return std::to_string(bits);
  const auto unused = static_cast<unsigned>(64 - 8 * raw.size());
  return std::to_string(static_cast<std::int64_t>(bits << unused) >> unused);
}

std::optional<std::string> literal(protocol::Reader& values, ColumnType type, bool is_unsigned) {
  const Bytes raw = protocol::take_binary_value(values, type);
  if (!values.ok()) return {};
  if (protocol::is_string_type(type)) return quoted(protocol::as_text(raw));
  switch (type) {
    case ColumnType::null: return "NULL";
    case ColumnType::tiny:
    case ColumnType::boolean:
    case ColumnType::short_int:
    case ColumnType::year:
    case ColumnType::long_int:
    case ColumnType::int24:
    case ColumnType::longlong: return integer(raw, is_unsigned);
    case ColumnType::float_number: return floating<float>(raw);
    case ColumnType::double_number: return floating<double>(raw);
    default: return {};
  }
}

}  // namespace

AdminPrepared::AdminPrepared(std::string_view text)
    : text_(text), places_(admin_parameters(text)) {}

std::string AdminPrepared::with(const std::vector<std::string>& literals) const {
  std::string out;
  std::size_t from = 0;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    out.append(text_, from, places_[i] - from).append(literals[i]);
    from = places_[i] + 1;
  }
  return out.append(text_, from);
}

std::string AdminPrepared::sample() const {
  return with(std::vector<std::string>(places_.size(), "1"));
}

void AdminPrepared::add_long_data(std::uint16_t parameter, Bytes data) {
  if (parameter >= places_.size()) return;
  std::string& held = long_data_[parameter];
  // One byte too many is remembered, and refused by bind().
  if (held.size() <= most_long_data)
    held.append(protocol::as_text(data.first(std::min(data.size(), most_long_data + 1))));
}

std::optional<std::string> AdminPrepared::bind(const protocol::ClientCommand& execute,
                                               protocol::Capabilities capabilities) {
  const auto sent = protocol::parse_execute_parameters(
      execute, static_cast<std::uint16_t>(places_.size()), capabilities);
  if (!sent) return {};
  if (sent->types_bound) types_.assign(sent->types.begin(), sent->types.end());
  if (types_.size() != 2 * places_.size()) return {};

  protocol::Reader values(sent->values);
  std::vector<std::string> literals;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const auto early = long_data_.find(static_cast<std::uint16_t>(i));
    if (early != long_data_.end()) {
      if (early->second.size() > most_long_data) return {};
      literals.push_back(quoted(early->second));
      continue;
    }
    if ((sent->null_bitmap[i / 8] & (1U << (i % 8))) != 0) {
      literals.emplace_back("NULL");
      continue;
    }
    auto text = literal(values, static_cast<ColumnType>(types_[2 * i]),
                        (types_[2 * i + 1] & unsigned_type) != 0);
    if (!text) return {};
    literals.push_back(std::move(*text));
  }
  long_data_.clear();
  return with(literals);
}

}  // namespace sluice::proxy
