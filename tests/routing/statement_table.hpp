/// Reads tests/data/statements.tsv: what the classifier is expected to say.
#pragma once

#include <string>
#include <vector>

#include "routing/statement.hpp"

namespace sluice::routing::test {

struct StatementCase {
  int line = 0;
  std::string sql;
  Dialect dialect;
  Access access = Access::write;
  std::string cause;
  Effects effects;
};

/// All cases, those for both engines twice. Throws std::runtime_error, naming
/// the line, if the table cannot be understood.
std::vector<StatementCase> read_statement_table();

Effects parse_effects(const std::string& list);
std::string print(Effects effects);

/// Some 9.x MySQL and some 10.11 MariaDB.
Dialect mysql();
Dialect mariadb();

}  // namespace sluice::routing::test
