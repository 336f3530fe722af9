/// Makes the commands that the load generator sends.
///
/// An SQL text with `?` where a random id goes: written into the text for
/// COM_QUERY, bound as BIGINT for COM_STMT_EXECUTE. The random numbers have a
/// fixed seed: two runs ask the same questions.
#pragma once

#include <string>
#include <vector>

#include "bench/load/options.hpp"
#include "protocol/bytes.hpp"
#include "protocol/constants.hpp"

namespace sluice::load {

class Workload {
 public:
  /// `sql` is one of those in the options.
  Workload(const Options& options, const std::string& sql);

  [[nodiscard]] Protocol protocol() const noexcept { return protocol_; }
  /// The text to prepare.
  [[nodiscard]] const std::string& sql() const noexcept { return sql_; }
  [[nodiscard]] std::size_t parameters() const noexcept { return pieces_.size() - 1; }

  /// Replaces `out` by a COM_QUERY.
  void make_query(protocol::Buffer& out);
  /// Replaces `out` by a COM_STMT_EXECUTE. Like client libraries, send the types
  /// with the first execution of a statement only.
  enum class Types : std::uint8_t { sent, known };
  void make_execute(protocol::Buffer& out, std::uint32_t statement, Types types);

 private:
  std::uint64_t random_id() noexcept;

  Protocol protocol_;
  std::string sql_;
  std::vector<std::string> pieces_;  ///< the text between the question marks
  std::string text_;                 ///< scratch, kept for its memory
  std::uint64_t rows_;
  std::uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace sluice::load
