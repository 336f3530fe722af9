#include "tests/routing/statement_table.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace sluice::routing::test {
namespace {

std::string unescape(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    switch (text.at(++i)) {
      case 'n': bytes += '\n'; break;
      case 't': bytes += '\t'; break;
      case 'r': bytes += '\r'; break;
      case '0': bytes += '\0'; break;
      case '\\': bytes += '\\'; break;
      case 'x':
        bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
        break;
      default: throw std::runtime_error("unknown escape in " + text);
    }
  }
  return bytes;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

/// `@ both multi_statements` → one dialect an engine.
std::vector<Dialect> parse_dialects(const std::string& line) {
  std::vector<Dialect> dialects;
  for (const std::string& word : split(line.substr(1), ' ')) {
    if (word.empty()) continue;
    if (word == "both") {
      dialects = {mysql(), mariadb()};
      continue;
    }
    if (word == "mysql") dialects = {mysql()};
    if (word == "mariadb") dialects = {mariadb()};
    for (Dialect& dialect : dialects) {
      if (word == "ansi_quotes") dialect.ansi_quotes = true;
      if (word == "no_backslash_escapes") dialect.no_backslash_escapes = true;
      if (word == "ignore_space") dialect.ignore_space = true;
      if (word == "multi_statements") dialect.multi_statements = true;
      if (word == "unsafe_multibyte") dialect.unsafe_multibyte = true;
    }
  }
  return dialects;
}

}  // namespace

Dialect mysql() {
  Dialect dialect;
  dialect.mariadb = false;
  dialect.version = 90704;
  return dialect;
}

Dialect mariadb() {
  Dialect dialect;
  dialect.mariadb = true;
  dialect.version = 101119;
  return dialect;
}

Effects parse_effects(const std::string& list) {
  Effects effects;
  if (list == "-") return effects;
  for (const std::string& word : split(list, ',')) {
    bool found = false;
    for (int bit = 0; bit < effect_count; ++bit) {
      const auto effect = static_cast<Effect>(std::uint64_t{1} << bit);
      if (word != to_string(effect)) continue;
      effects.set(effect);
      found = true;
    }
    if (!found) throw std::runtime_error("no such effect: " + word);
  }
  return effects;
}

std::string print(Effects effects) {
  std::string list;
  for (int bit = 0; bit < effect_count; ++bit) {
    const auto effect = static_cast<Effect>(std::uint64_t{1} << bit);
    if (!effects.has(effect)) continue;
    if (!list.empty()) list += ',';
    list += to_string(effect);
  }
  return list.empty() ? "-" : list;
}

std::vector<StatementCase> read_statement_table() {
  std::ifstream file(SLUICE_TEST_DATA "/statements.tsv");
  if (!file) throw std::runtime_error("cannot read " SLUICE_TEST_DATA "/statements.tsv");
  std::vector<StatementCase> cases;
  std::vector<Dialect> dialects;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find('\t') == line.npos) {
      if (line.starts_with('@')) dialects = parse_dialects(line);
      continue;
    }
    const std::vector<std::string> columns = split(line, '\t');
    if (columns.size() != 5 || columns[4].empty() ||
        (columns[1] != "read" && columns[1] != "write")) {
      throw std::runtime_error("statements.tsv line " + std::to_string(number) +
                               ": five columns are needed, the second read or write");
    }
    for (const Dialect& dialect : dialects) {
      cases.push_back({number, unescape(columns[0]), dialect,
                       columns[1] == "read" ? Access::read : Access::write, columns[2],
                       parse_effects(columns[3])});
    }
  }
  return cases;
}

}  // namespace sluice::routing::test
