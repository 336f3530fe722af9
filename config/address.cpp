#include "config/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ostream>

namespace sluice::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Parsed<Address> refuse(std::string what, std::string mend) {
  return {{}, std::move(what), std::move(mend)};
}

template <class Use>
bool each_part(std::string_view text, char separator, Use use) {
  while (true) {
    const std::size_t end = text.find(separator);
    if (!use(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool is_octet(std::string_view part) {
  return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), is_digit) &&
         (part.size() < 3 || part <= "255");
}

bool is_ipv4(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') == 3 && each_part(text, '.', is_octet);
}

// RFC 4291, section 2.2, with an optional zone (RFC 4007, section 11).
bool is_ipv6(std::string_view text) {
  if (const std::size_t zone = text.find('%'); zone != std::string_view::npos) {
    if (zone + 1 == text.size()) return false;
    text = text.substr(0, zone);
  }
  int groups = 0;
  const std::size_t gap = text.find("::");
  if (gap != std::string_view::npos && text.find("::", gap + 1) != std::string_view::npos)
    return false;
  const auto count_groups = [&](std::string_view side, bool last) {
    if (side.empty()) return true;
    return each_part(side, ':', [&](std::string_view part) {
      const bool ends_text = last && part.data() + part.size() == text.data() + text.size();
      if (ends_text && is_ipv4(part)) {
        groups += 2;
        return true;
      }
      ++groups;
      return !part.empty() && part.size() <= 4 && std::all_of(part.begin(), part.end(), is_hex);
    });
  };
  if (gap == std::string_view::npos) return count_groups(text, true) && groups == 8;
  return count_groups(text.substr(0, gap), false) && count_groups(text.substr(gap + 2), true) &&
         groups <= 7;
}

// RFC 1123, section 2.1; underscores are allowed, as container networks use them.
bool is_name(std::string_view text) {
  const bool all_numeric =
      std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
  if (text.empty() || text.size() > 253 || all_numeric) return false;
  if (text.back() == '.') text.remove_suffix(1);
  return each_part(text, '.', [](std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return port;
}

Parsed<Address> parse_unix(std::string_view path) {
  // sun_path holds 108 bytes with the final NUL: unix(7).
  constexpr std::size_t longest = 107;
  if (path.empty() || path.front() != '/')
    return refuse(fmt::format("the socket path \"{}\" is not absolute", path),
                  "write for instance \"unix:/run/sluice/sluice.sock\"");
  if (path.size() > longest)
    return refuse(
        fmt::format("the socket path has {} bytes; a Unix socket allows {}", path.size(), longest),
        "choose a shorter path");
  return {Address::unix_socket(std::string(path)), {}, {}};
}

}  // namespace

Parsed<Address> parse_address(std::string_view text, std::optional<std::uint16_t> default_port) {
  const std::string example = fmt::format("127.0.0.1:{}", default_port.value_or(6033));
  if (text.empty()) return refuse("is empty", fmt::format("write for instance \"{}\"", example));
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  if (text.front() == '/')
    return refuse(fmt::format("\"{}\" has no port", text),
                  fmt::format("for a Unix socket write \"unix:{}\"", text));
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos)
    return refuse(fmt::format("\"{}\" is a URL", text),
                  fmt::format("write \"{}\"", text.substr(scheme + 3)));

  std::string_view host;
  std::optional<std::string_view> port_text;
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos)
      return refuse(fmt::format("\"{}\" lacks the closing bracket", text),
                    "write for instance \"[::1]:3306\"");
    host = text.substr(1, close - 1);
    if (!is_ipv6(host))
      return refuse(fmt::format("\"{}\" is not an IPv6 address", host),
                    "brackets are for IPv6 only, for instance \"[::1]:3306\"");
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty()) {
      if (rest.front() != ':')
        return refuse(fmt::format("\"{}\" has \"{}\" behind the bracket", text, rest),
                      "write for instance \"[::1]:3306\"");
      port_text = rest.substr(1);
    }
  } else {
    if (std::count(text.begin(), text.end(), ':') > 1)
      return refuse(fmt::format("\"{}\" has several colons", text),
                    fmt::format("IPv6 needs brackets, for instance \"[::1]:{}\"",
                                default_port.value_or(6033)));
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port_text = text.substr(colon + 1);
    if (host.empty() || host == "*")
      return refuse(fmt::format("\"{}\" names no host", text),
                    fmt::format("for all interfaces write \"0.0.0.0{0}\" (IPv4) or \"[::]{0}\"",
                                text.substr(host.size())));
    if (!is_ipv4(host) && !is_name(host))
      return refuse(fmt::format("\"{}\" is neither a host name nor an IP address", host),
                    fmt::format("write for instance \"{}\"", example));
  }

  if (!port_text && !default_port)
    return refuse(fmt::format("\"{}\" has no port", text),
                  fmt::format("write for instance \"{}:6033\"", text));
  const auto port = port_text ? parse_port(*port_text) : default_port;
  if (!port)
    return refuse(fmt::format("the port \"{}\" is not between 0 and 65535", *port_text),
                  fmt::format("write for instance \"{}\"", example));
  return {Address::tcp(std::string(host), *port), {}, {}};
}

std::string to_string(const Address& address) {
  if (address.kind == Address::Kind::unix_socket) return "unix:" + address.path;
  const bool brackets = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", address.host, brackets ? "]" : "",
                     address.port);
}

std::ostream& operator<<(std::ostream& out, const Address& address) {
  return out << to_string(address);
}

bool is_local(const Address& address) {
  if (address.kind == Address::Kind::unix_socket) return true;
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

}  // namespace sluice::config
