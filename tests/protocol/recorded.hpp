/// The replies of real servers in tests/data/streams, as
/// tests/support/record_streams.py wrote them down.
#pragma once

#include <charconv>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/protocol/replay.hpp"

namespace sluice::protocol {

struct Recorded {
  std::string name;
  Stream stream;
};

inline ReplyKind kind_named(const std::string& name) {
  static const std::map<std::string, ReplyKind> kinds = {
      {"query", ReplyKind::query},           {"prepare", ReplyKind::prepare},
      {"execute", ReplyKind::execute},       {"fetch", ReplyKind::fetch},
      {"field_list", ReplyKind::field_list}, {"simple", ReplyKind::simple},
      {"statistics", ReplyKind::statistics}};
  return kinds.at(name);
}

inline Buffer bytes_of_hex(const std::string& hex) {
  Buffer made(hex.size() / 2);
  for (std::size_t i = 0; i < made.size(); ++i)
    std::from_chars(&hex[2 * i], &hex[2 * i] + 2, made[i], 16);
  return made;
}

inline std::vector<Recorded> recorded(const std::string& engine) {
  std::ifstream file(std::string(SLUICE_TEST_DATA) + "/streams/" + engine + ".tsv");
  std::vector<Recorded> all;
  std::string name;
  std::string kind;
  std::string capabilities;
  int after_infile = 0;
  std::string hex;
  while (file >> name >> kind >> capabilities >> after_infile >> hex)
    all.push_back({name, Stream{kind_named(kind), std::stoull(capabilities, nullptr, 16),
                                bytes_of_hex(hex), static_cast<std::uint8_t>(after_infile)}});
  return all;
}

}  // namespace sluice::protocol
