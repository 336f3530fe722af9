/// Where to listen or connect: a TCP host and port, or a Unix socket.
///
/// Texts: "10.0.0.1:3306", "db1.example:3306", "[::1]:3306", "unix:/run/x.sock".
/// A host is a name or a literal IP, without brackets; names are not resolved here.
/// Port 0 means any free one, where we listen.
/// Errors: `Parsed` without a value says what is wrong and how to mend it.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/quantity.hpp"

namespace sluice::config {

struct Address {
  /// `unix_socket`, as `unix` alone is a macro to some compilers.
  enum class Kind { tcp, unix_socket };

  Kind kind = Kind::tcp;
  std::string host;        ///< tcp only: "::1", "10.0.0.1", "db1"
  std::uint16_t port = 0;  ///< tcp only
  std::string path;        ///< unix_socket only: absolute

  [[nodiscard]] static Address tcp(std::string host, std::uint16_t port) {
    return {Kind::tcp, std::move(host), port, {}};
  }
  [[nodiscard]] static Address unix_socket(std::string path) {
    return {Kind::unix_socket, {}, 0, std::move(path)};
  }

  friend bool operator==(const Address&, const Address&) = default;
};

/// `default_port` stands in where the text has none; without it a port is required.
[[nodiscard]] Parsed<Address> parse_address(std::string_view text,
                                            std::optional<std::uint16_t> default_port = {});

/// The text that parses back to `address`, with brackets around IPv6.
[[nodiscard]] std::string to_string(const Address& address);
std::ostream& operator<<(std::ostream& out, const Address& address);

/// Only this machine can reach it: "localhost", 127.0.0.0/8, ::1, a Unix socket.
[[nodiscard]] bool is_local(const Address& address);

}  // namespace sluice::config
