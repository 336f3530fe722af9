/// Which stored functions only read, so that a call of one keeps a read a read.
///
/// What a function's author declares (`READS SQL DATA`) no server enforces, and it says
/// nothing of the session: a `NO SQL` function may set user variables or take a
/// lock. So a function counts as a read only if it is declared NO SQL or READS SQL
/// DATA *and* its body has been looked at and holds nothing but reads. One that is
/// unknown, hidden from the monitor's account, or in doubt is a write (P8); and what slips
/// through is refused by the replica (P2).
///
/// Drive it: fill a RoutineCatalogue from information_schema.routines; ask it
/// through `KnownRoutines`, which knows the session's schema and the catalogue's age.
/// Sources: MySQL manual, "CREATE PROCEDURE and CREATE FUNCTION Statements", "Function
/// Name Parsing and Resolution"; MariaDB knowledge base, "CREATE PACKAGE".
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "routing/statement.hpp"

namespace sluice::routing {

/// What the classifier asks about a function that is not built in.
class KnownRoutines {
 public:
  virtual ~KnownRoutines() = default;
  /// `qualifier` is the name before the dot, empty if there is none.
  [[nodiscard]] virtual bool reads_only(std::string_view qualifier,
                                        std::string_view name) const noexcept = 0;
};

/// Does the body of a stored function do nothing but read data and reckon with its
/// own variables? `dialect` has the engine and what the function's sql_mode says.
[[nodiscard]] bool body_only_reads(std::string_view body, const Dialect& dialect);

class RoutineCatalogue {
 public:
  /// Functions beyond this are not kept, and so unknown (P7).
  static constexpr std::size_t most_functions = 20'000;

  /// A function that is declared to read, with the body that the server shows.
  void add_function(std::string_view schema, std::string_view name, std::string_view body,
                    const Dialect& dialect);
  /// MariaDB: `name.f()` may mean a function of this package, in any schema.
  void add_package(std::string_view name);

  /// How it resolves in a session whose default schema is `schema`.
  [[nodiscard]] bool reads_only(std::string_view qualifier, std::string_view schema,
                                std::string_view name) const;
  [[nodiscard]] std::size_t size() const noexcept { return reading_.size(); }

 private:
  std::set<std::string, std::less<>> reading_;  // schema NUL name, the name in lower case
  std::set<std::string, std::less<>> packages_;
};

/// May it create, change or drop a stored function? `sql` is looked at for words only.
[[nodiscard]] bool may_change_routines(const Statement& statement, std::string_view sql);

}  // namespace sluice::routing
