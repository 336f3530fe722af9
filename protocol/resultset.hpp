/// Column definitions and rows: reading them, and making result sets of our own.
///
/// `ResultSetWriter` appends a whole result set to a buffer, head first:
///
///     ResultSetWriter set(out, capabilities, RowFormat::text, sequence);
///     set.columns(columns);
///     set.row(cells);            // any number of them
///     sequence = set.finish(status);
///
/// Errors of decoders: truncated, malformed.
/// Lifetime: decoded views point into the payload.
/// Source: MySQL client/server protocol, "Column Definition", "Text Resultset
/// Row" and "Binary Protocol Resultset"; MariaDB knowledge base, "Result Set
/// Packets" for the extended metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/constants.hpp"
#include "protocol/error.hpp"

namespace sluice::protocol {

/// Type byte of columns and parameters.
enum class ColumnType : std::uint8_t {
  decimal = 0,
  tiny = 1,
  short_int = 2,
  long_int = 3,
  float_number = 4,
  double_number = 5,
  null = 6,
  timestamp = 7,
  longlong = 8,
  int24 = 9,
  date = 10,
  time = 11,
  datetime = 12,
  year = 13,
  newdate = 14,
  varchar = 15,
  bit = 16,
  vector = 242,
  invalid = 243,
  boolean = 244,
  json = 245,
  newdecimal = 246,
  enumeration = 247,
  set = 248,
  tiny_blob = 249,
  medium_blob = 250,
  long_blob = 251,
  blob = 252,
  var_string = 253,
  string = 254,
  geometry = 255,
};

/// A value of this type travels as a length-encoded string in binary rows and
/// parameters.
[[nodiscard]] bool is_string_type(ColumnType type) noexcept;
/// Takes one binary value of `type`; fails the reader if it does not fit or
/// the type is unknown.
Bytes take_binary_value(Reader& reader, ColumnType type) noexcept;

namespace column_flag {
inline constexpr std::uint16_t not_null = 0x0001;
inline constexpr std::uint16_t unsigned_number = 0x0020;
inline constexpr std::uint16_t binary = 0x0080;
inline constexpr std::uint16_t numeric = 0x8000;
}  // namespace column_flag

inline constexpr std::uint16_t collation_binary = 63;
inline constexpr std::uint16_t collation_utf8mb4_0900_ai_ci = 255;

struct ColumnDefinition {
  std::string_view schema;
  std::string_view table;
  std::string_view original_table;
  std::string_view name;
  std::string_view original_name;
  std::uint16_t collation = collation_utf8mb4_0900_ai_ci;
  std::uint32_t length = 0;  ///< most bytes that a value's text can take
  ColumnType type = ColumnType::var_string;
  std::uint16_t flags = 0;  ///< namespace column_flag
  std::uint8_t decimals = 0;
};

/// Extended metadata (MariaDB) is skipped over.
[[nodiscard]] Result<ColumnDefinition> decode_column(Bytes payload, Capabilities capabilities);
/// Appends the payload, without a packet header. Under MariaDB's extended
/// metadata the extension is there and empty.
void encode_column(Buffer& out, const ColumnDefinition& column, Capabilities capabilities);

/// The head of a result set.
struct ColumnCount {
  std::uint64_t columns = 0;
  bool definitions_follow = true;
};
[[nodiscard]] Result<ColumnCount> decode_column_count(Bytes payload, Capabilities capabilities);

using TextRow = std::vector<std::optional<std::string_view>>;
[[nodiscard]] Result<TextRow> decode_text_row(Bytes payload, std::size_t columns);

enum class RowFormat : std::uint8_t { text, binary };

class ResultSetWriter {
 public:
  enum class Type : std::uint8_t { text, integer };  ///< VARCHAR, BIGINT
  struct Column {
    std::string name;
    Type type = Type::text;
    bool nullable = true;
  };
  /// A NULL, a text, or a number. A number in a text column is written as its
  /// digits; a text in a number column must be one.
  class Cell {
   public:
    Cell() noexcept = default;
    Cell(std::nullopt_t) noexcept {}                                 // NOLINT: cells are literals
    Cell(std::string_view text) : text_(text), null_(false) {}       // NOLINT
    Cell(const char* text) : Cell(std::string_view(text)) {}         // NOLINT
    Cell(const std::string& text) : Cell(std::string_view(text)) {}  // NOLINT
    Cell(std::int64_t number) : text_(std::to_string(number)), null_(false) {}  // NOLINT

    [[nodiscard]] bool null() const noexcept { return null_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

   private:
    std::string text_;
    bool null_ = true;
  };

  /// `capabilities` are those agreed with the client who reads it. `out` must
  /// outlive the writer.
  ResultSetWriter(Buffer& out, Capabilities capabilities, RowFormat format,
                  std::uint8_t sequence = 1);

  /// Once, first: column count, definitions, and an EOF where one belongs.
  void columns(std::span<const Column> columns);
  /// As many cells as columns.
  void row(std::span<const Cell> cells);
  /// Ends the rows; `status` may have more_results_exist. Returns the
  /// sequence number that follows.
  std::uint8_t finish(std::uint16_t status, std::uint16_t warnings = 0);

 private:
  void packet();  ///< frames scratch_ and clears it

  Buffer& out_;
  Buffer scratch_;
  Capabilities capabilities_;
  RowFormat format_;
  std::uint8_t sequence_;
  std::vector<Type> types_;
};

}  // namespace sluice::protocol
