/// Feeds any bytes to the classifier and the digest: the first says the dialect,
/// the rest is the statement. What must hold for all of them is asserted here.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "routing/digest.hpp"
#include "routing/statement.hpp"

namespace {

using namespace sluice::routing;

void demand(bool fact) {
  if (!fact) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Dialect dialect;
  dialect.mariadb = (data[0] & 1) != 0;
  dialect.version = dialect.mariadb ? 101119 : 90704;
  dialect.ansi_quotes = (data[0] & 2) != 0;
  dialect.no_backslash_escapes = (data[0] & 4) != 0;
  dialect.multi_statements = (data[0] & 8) != 0;
  dialect.unsafe_multibyte = (data[0] & 16) != 0;
  dialect.ignore_space = (data[0] & 32) != 0;
  const std::string sql(reinterpret_cast<const char*>(data) + 1, size - 1);

  const Statement s = classify(sql, dialect);
  demand((s.access == Access::read) == (s.cause == Cause::plain_read));
  demand(s.name.empty() ||
         (s.name.data() >= sql.data() && s.name.data() + s.name.size() <= sql.data() + sql.size()));
  demand(classify_beginning(sql, dialect).access == Access::write);
  if (s.access == Access::read) {
    // A lock behind a read is seen, unless a line comment swallows it.
    demand(classify(sql + " \x01", dialect).access == Access::read ||
           classify(sql + " FOR UPDATE", dialect).access == Access::write);
    demand(classify(sql + "\nFOR UPDATE", dialect).access == Access::write);
  }

  const std::string form = normalised(sql, dialect, 64);
  demand(form.size() <= 64);
  const std::string_view left = std::string_view(sql).substr(0, sql.size() / 2);
  const std::string_view right = std::string_view(sql).substr(sql.size() / 2);
  demand(digest(left, dialect) != digest(right, dialect) ||
         normalised(left, dialect, size) == normalised(right, dialect, size));
  return 0;
}
