#include "proxy/http_message.hpp"

#include <algorithm>
#include <optional>

namespace sluice::proxy {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return {};
}

enum class Plus { literal, blank };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return {};
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (!high || !low) return {};
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    }
  }
  return out;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool HttpRequest::set_target(std::string_view target) {
  if (!target.starts_with('/')) return false;
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  auto decoded = decode(target.substr(0, mark), Plus::literal);
  if (!decoded) return false;
  path = std::move(*decoded);
  query.clear();
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals), Plus::blank);
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())), Plus::blank);
    if (!name || !value) return false;
    if (!pair.empty()) query.emplace_back(std::move(*name), std::move(*value));
    rest = rest.substr(std::min(end + 1, rest.size()));
  }
  return true;
}

std::string_view HttpRequest::field(std::string_view name) const noexcept {
  for (const auto& [each, value] : fields)
    if (same_word(each, name)) return value;
  return {};
}

std::string_view HttpRequest::parameter(std::string_view name) const noexcept {
  for (const auto& [each, value] : query)
    if (each == name) return value;
  return {};
}

HttpResponse http_text(unsigned status, std::string_view line) {
  HttpResponse response;
  response.status = status;
  response.body = std::string(line) + "\n";
  return response;
}

}  // namespace sluice::proxy
