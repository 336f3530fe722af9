/// Prepared statements of the admin port: drivers that always prepare need them.
///
/// A statement is kept as its text. To execute one, its parameters are written
/// into the text as literals and the whole is parsed again.
///
/// Errors: bind() yields nothing for parameters that are malformed or of types other
/// than numbers and strings.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command.hpp"

namespace sluice::proxy {

class AdminPrepared {
 public:
  explicit AdminPrepared(std::string_view text);

  [[nodiscard]] std::size_t parameters() const noexcept { return places_.size(); }
  /// The text with each parameter as the number 1: for its syntax and columns.
  [[nodiscard]] std::string sample() const;
  /// The text with the parameters of an execute in it; nullopt if they cannot be read.
  [[nodiscard]] std::optional<std::string> bind(const protocol::ClientCommand& execute,
                                                protocol::Capabilities capabilities);

  /// Part of a parameter, sent ahead. Beyond a limit, bind() will fail.
  void add_long_data(std::uint16_t parameter, protocol::Bytes data);
  void reset() { long_data_.clear(); }

 private:
  [[nodiscard]] std::string with(const std::vector<std::string>& literals) const;

  std::string text_;
  std::vector<std::size_t> places_;
  protocol::Buffer types_;  // as bound last
  std::map<std::uint16_t, std::string> long_data_;
};

}  // namespace sluice::proxy
