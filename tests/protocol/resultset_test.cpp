#include "protocol/resultset.hpp"

#include <gtest/gtest.h>

#include "tests/protocol/replay.hpp"

namespace sluice::protocol {
namespace {

using Cell = ResultSetWriter::Cell;
using Column = ResultSetWriter::Column;
using Type = ResultSetWriter::Type;

const std::vector<Column> two_columns = {{"name", Type::text, false}, {"lag", Type::integer, true}};

Buffer write(Capabilities capabilities, RowFormat format) {
  Buffer out;
  ResultSetWriter set(out, capabilities, format);
  set.columns(two_columns);
  set.row(std::vector<Cell>{"r1", std::int64_t{-7}});
  set.row(std::vector<Cell>{"", std::nullopt});
  set.finish(status::autocommit);
  return out;
}

std::vector<Bytes> payloads(const Buffer& out) {
  std::vector<Bytes> found;
  for (Bytes left = out; !left.empty();) {
    const PacketHeader header = decode_header(left.data());
    EXPECT_EQ(header.sequence, found.size() + 1);
    found.push_back(left.subspan(packet_header_size, header.payload_size));
    left = left.subspan(packet_header_size + header.payload_size);
  }
  return found;
}

TEST(ResultSet, IsWhatTheTrackerExpects) {
  for (const Capabilities capabilities :
       {with_eof, without_eof, with_eof | capability::mariadb_cache_metadata,
        without_eof | capability::optional_resultset_metadata,
        without_eof | capability::mariadb_extended_metadata}) {
    for (const RowFormat format : {RowFormat::text, RowFormat::binary}) {
      const Stream stream{ReplyKind::execute, capabilities, write(capabilities, format)};
      const Outcome outcome = replay(stream);
      EXPECT_TRUE(outcome.done);
      EXPECT_EQ(outcome.passed, stream.bytes);
      EXPECT_EQ(outcome.rows, 2U);
      EXPECT_EQ(outcome.status, status::autocommit);
    }
  }
}

TEST(ResultSet, DescribesItsColumns) {
  for (const Capabilities capabilities :
       {without_eof, without_eof | capability::mariadb_extended_metadata}) {
    const Buffer out = write(capabilities, RowFormat::text);
    const std::vector<Bytes> found = payloads(out);
    ASSERT_EQ(found.size(), 6U);
    EXPECT_EQ(decode_column_count(found[0], capabilities)->columns, 2U);
    const ColumnDefinition name = decode_column(found[1], capabilities).value();
    EXPECT_EQ(name.name, "name");
    EXPECT_EQ(name.type, ColumnType::var_string);
    EXPECT_EQ(name.collation, collation_utf8mb4_0900_ai_ci);
    EXPECT_NE(name.flags & column_flag::not_null, 0);
    EXPECT_GT(name.length, 0U);
    const ColumnDefinition lag = decode_column(found[2], capabilities).value();
    EXPECT_EQ(lag.type, ColumnType::longlong);
    EXPECT_EQ(lag.collation, collation_binary);
    EXPECT_EQ(lag.flags & column_flag::not_null, 0);
  }
}

TEST(ResultSet, TextRowsHoldTextAndNull) {
  const Buffer out = write(without_eof, RowFormat::text);
  const std::vector<Bytes> found = payloads(out);
  EXPECT_EQ(decode_text_row(found[3], 2).value(), (TextRow{"r1", "-7"}));
  EXPECT_EQ(decode_text_row(found[4], 2).value(), (TextRow{"", std::nullopt}));
}

TEST(ResultSet, BinaryRowsHoldNumbersAndABitmap) {
  const Buffer out = write(without_eof, RowFormat::binary);
  const std::vector<Bytes> found = payloads(out);
  EXPECT_EQ(Buffer(found[3].begin(), found[3].end()),
            bytes({0, 0, 2, 'r', '1', 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(Buffer(found[4].begin(), found[4].end()), bytes({0, 0b1000, 0}));
}

TEST(ResultSet, ColumnDefinitionsSurviveBothWays) {
  const ColumnDefinition column{.schema = "shop",
                                .table = "t",
                                .original_table = "orders",
                                .name = "n",
                                .original_name = "id",
                                .collation = 45,
                                .length = 4'000'000'000,
                                .type = ColumnType::newdecimal,
                                .flags = 0x1234,
                                .decimals = 31};
  Buffer out;
  encode_column(out, column, with_eof);
  const ColumnDefinition read = decode_column(out, with_eof).value();
  EXPECT_EQ(read.schema, column.schema);
  EXPECT_EQ(read.table, column.table);
  EXPECT_EQ(read.original_table, column.original_table);
  EXPECT_EQ(read.name, column.name);
  EXPECT_EQ(read.original_name, column.original_name);
  EXPECT_EQ(read.collation, column.collation);
  EXPECT_EQ(read.length, column.length);
  EXPECT_EQ(read.type, column.type);
  EXPECT_EQ(read.flags, column.flags);
  EXPECT_EQ(read.decimals, column.decimals);
  for (std::size_t size = 0; size < out.size(); ++size) {
    const Buffer cut(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(decode_column(cut, with_eof).error(), Errc::truncated);
  }
}

TEST(ResultSet, RowsThatDoNotFitAreRefused) {
  EXPECT_EQ(decode_text_row(bytes({1, 'a'}), 2).error(), Errc::truncated);
  EXPECT_EQ(decode_text_row(bytes({2, 'a'}), 1).error(), Errc::truncated);
  EXPECT_EQ(decode_text_row(bytes({1, 'a', 0}), 1).error(), Errc::malformed);
  EXPECT_EQ(decode_column_count(bytes({1, 1}), with_eof).error(), Errc::malformed);
}

}  // namespace
}  // namespace sluice::protocol
