#include "protocol/resultset.hpp"

#include <cassert>
#include <charconv>

#include "protocol/packet.hpp"
#include "protocol/response.hpp"

namespace sluice::protocol {
namespace {

constexpr std::uint8_t null_value = 0xfb;
constexpr std::uint64_t fixed_fields_size = 0x0c;
constexpr std::uint32_t bigint_digits = 20;
/// What VARCHAR can hold at most: 65,535 bytes in a row, four to a character.
constexpr std::uint32_t varchar_bytes = 65'532;
/// A row of n columns has a bitmap with two bits ahead of theirs.
constexpr std::size_t row_bitmap_offset = 2;

bool metadata_byte_agreed(Capabilities capabilities) noexcept {
  return (capabilities &
          (capability::optional_resultset_metadata | capability::mariadb_cache_metadata)) != 0;
}

}  // namespace

bool is_string_type(ColumnType type) noexcept {
  switch (type) {
    case ColumnType::decimal:
    case ColumnType::varchar:
    case ColumnType::bit:
    case ColumnType::vector:
    case ColumnType::json:
    case ColumnType::newdecimal:
    case ColumnType::enumeration:
    case ColumnType::set:
    case ColumnType::tiny_blob:
    case ColumnType::medium_blob:
    case ColumnType::long_blob:
    case ColumnType::blob:
    case ColumnType::var_string:
    case ColumnType::string:
    case ColumnType::geometry: return true;
    default: return false;
  }
}

Bytes take_binary_value(Reader& reader, ColumnType type) noexcept {
  if (is_string_type(type)) return reader.lenenc_bytes();
  switch (type) {
    case ColumnType::null: return {};
    case ColumnType::tiny:
    case ColumnType::boolean: return reader.take(1);
    case ColumnType::short_int:
    case ColumnType::year: return reader.take(2);
    case ColumnType::long_int:
    case ColumnType::int24:
    case ColumnType::float_number: return reader.take(4);
    case ColumnType::longlong:
    case ColumnType::double_number: return reader.take(8);
    case ColumnType::date:
    case ColumnType::datetime:
    case ColumnType::timestamp:
    case ColumnType::time: return reader.take(reader.int1());
    default: reader.fail(); return {};
  }
}

Result<ColumnDefinition> decode_column(Bytes payload, Capabilities capabilities) {
  Reader reader(payload);
  ColumnDefinition column;
  reader.lenenc_bytes();  // catalog, always "def"
  column.schema = reader.lenenc_text();
  column.table = reader.lenenc_text();
  column.original_table = reader.lenenc_text();
  column.name = reader.lenenc_text();
  column.original_name = reader.lenenc_text();
  if ((capabilities & capability::mariadb_extended_metadata) != 0) reader.lenenc_bytes();
  const std::uint64_t fixed = reader.lenenc();
  if (!reader.ok()) return Errc::truncated;
  if (fixed != fixed_fields_size) return Errc::malformed;
  column.collation = reader.int2();
  column.length = reader.int4();
  column.type = static_cast<ColumnType>(reader.int1());
  column.flags = reader.int2();
  column.decimals = reader.int1();
  reader.int2();
  if (!reader.ok()) return Errc::truncated;
  return column;
}

void encode_column(Buffer& out, const ColumnDefinition& column, Capabilities capabilities) {
  Writer writer(out);
  writer.lenenc_text("def").lenenc_text(column.schema).lenenc_text(column.table);
  writer.lenenc_text(column.original_table);
  writer.lenenc_text(column.name).lenenc_text(column.original_name);
  if ((capabilities & capability::mariadb_extended_metadata) != 0) writer.lenenc(0);
  writer.lenenc(fixed_fields_size).int2(column.collation).int4(column.length);
  writer.int1(static_cast<std::uint8_t>(column.type)).int2(column.flags).int1(column.decimals);
  writer.zeros(2);
}

Result<ColumnCount> decode_column_count(Bytes payload, Capabilities capabilities) {
  Reader reader(payload);
  ColumnCount count;
  count.columns = reader.lenenc();
  if (metadata_byte_agreed(capabilities)) count.definitions_follow = reader.int1() != 0;
  if (!reader.ok()) return Errc::truncated;
  if (!reader.empty()) return Errc::malformed;
  return count;
}

Result<TextRow> decode_text_row(Bytes payload, std::size_t columns) {
  Reader reader(payload);
  TextRow row;
  for (std::size_t i = 0; i < columns; ++i) {
    if (reader.empty()) return Errc::truncated;
    if (reader.rest().front() == null_value) {
      reader.int1();
      row.emplace_back(std::nullopt);
    } else {
      row.emplace_back(reader.lenenc_text());
      if (!reader.ok()) return Errc::truncated;
    }
  }
  if (!reader.empty()) return Errc::malformed;
  return row;
}

ResultSetWriter::ResultSetWriter(Buffer& out, Capabilities capabilities, RowFormat format,
                                 std::uint8_t sequence)
    : out_(out), capabilities_(capabilities), format_(format), sequence_(sequence) {}

void ResultSetWriter::packet() {
  sequence_ = append_packet(out_, scratch_, sequence_);
  scratch_.clear();
}

void ResultSetWriter::columns(std::span<const Column> columns) {
  assert(types_.empty() && !columns.empty() && "columns come once, first, and at least one");
  Writer count(scratch_);
  count.lenenc(columns.size());
  if (metadata_byte_agreed(capabilities_)) count.int1(1);
  packet();
  for (const Column& column : columns) {
    types_.push_back(column.type);
    ColumnDefinition definition;
    definition.name = column.name;
    definition.original_name = column.name;
    if (column.type == Type::integer) {
      definition.type = ColumnType::longlong;
      definition.collation = collation_binary;
      definition.length = bigint_digits;
      definition.flags = column_flag::binary | column_flag::numeric;
    } else {
      definition.length = varchar_bytes;
    }
    if (!column.nullable)
      definition.flags = static_cast<std::uint16_t>(definition.flags | column_flag::not_null);
    encode_column(scratch_, definition, capabilities_);
    packet();
  }
  if ((capabilities_ & capability::deprecate_eof) == 0)
    sequence_ = append_eof(out_, {.status = status::autocommit}, capabilities_, sequence_);
}

void ResultSetWriter::row(std::span<const Cell> cells) {
  assert(cells.size() == types_.size() && "a row has as many cells as columns");
  Writer writer(scratch_);
  if (format_ == RowFormat::text) {
    for (const Cell& cell : cells) {
      if (cell.null())
        writer.int1(null_value);
      else
        writer.lenenc_text(cell.text());
    }
    return packet();
  }
  writer.int1(0);
  const std::size_t bitmap = scratch_.size();
  writer.zeros((cells.size() + 7 + row_bitmap_offset) / 8);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    if (cell.null()) {
      const std::size_t bit = i + row_bitmap_offset;
      std::uint8_t& byte = scratch_[bitmap + bit / 8];
      byte = static_cast<std::uint8_t>(byte | (1U << (bit % 8)));
    } else if (types_[i] == Type::integer) {
      std::int64_t number = 0;
      const std::string& text = cell.text();
      [[maybe_unused]] const auto parsed =
          std::from_chars(text.data(), text.data() + text.size(), number);
      assert(parsed.ec == std::errc{} && "a text in a number column is a number");
      writer.int8(static_cast<std::uint64_t>(number));
    } else {
      writer.lenenc_text(cell.text());
    }
  }
  packet();
}

std::uint8_t ResultSetWriter::finish(std::uint16_t status, std::uint16_t warnings) {
  sequence_ = append_end(out_, {.warnings = warnings, .status = status}, capabilities_, sequence_);
  return sequence_;
}

}  // namespace sluice::protocol
