#include "protocol/command.hpp"

#include <gtest/gtest.h>

#include "protocol/packet.hpp"
#include "tests/protocol/replay.hpp"

namespace sluice::protocol {
namespace {

constexpr Capabilities with_attributes = capability::protocol_41 | capability::query_attributes;

Buffer prefix(const Buffer& whole, std::size_t size) {
  return {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
}

/// COM_QUERY with three attributes: a text, a NULL and a number.
Buffer attributed_query() {
  Buffer payload;
  Writer writer(payload);
  writer.int1(3).lenenc(3).lenenc(1).int1(0b010).int1(1);
  writer.int1(0xfe).int1(0).lenenc_text("sluice.target");
  writer.int1(0x06).int1(0).lenenc_text("nothing");
  writer.int1(0x08).int1(0x80).lenenc_text("trace");
  writer.lenenc_text("primary").int8(77);
  writer.text("SELECT 1");
  return payload;
}

TEST(Command, FindsTheStatement) {
  const Buffer payload = bytes("\x03SELECT 1");
  const Result<ClientCommand> query = decode_command(payload, with_eof);
  ASSERT_TRUE(query);
  EXPECT_TRUE(query->known);
  EXPECT_EQ(query->command, Command::query);
  EXPECT_EQ(query->text, "SELECT 1");
  EXPECT_EQ(decode_command(bytes("\x03"), with_eof)->text, "") << "an empty query";
  const Buffer prepare = bytes("\x16SELECT ?");
  EXPECT_EQ(decode_command(prepare, with_attributes)->text, "SELECT ?");
  const Buffer init_db = bytes("\x02shop");
  EXPECT_EQ(decode_command(init_db, with_eof)->text, "shop");
}

TEST(Command, FindsTheStatementBehindAttributes) {
  const Buffer payload = attributed_query();
  const Result<ClientCommand> query = decode_command(payload, with_attributes);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text, "SELECT 1");
  EXPECT_EQ(query->attributes.size(), 3U);
  EXPECT_EQ(query->attributes.text("sluice.target"), "primary");
  EXPECT_EQ(query->attributes.text("nothing"), std::nullopt);
  EXPECT_EQ(query->attributes.text("trace"), std::nullopt) << "not a text";
  EXPECT_EQ(query->attributes.text("absent"), std::nullopt);
  EXPECT_EQ(query->attributes.block().size() + 1 + query->text.size(), payload.size());
}

TEST(Command, FindsTheStatementBehindZeroAttributes) {
  Buffer payload = bytes({3, 0, 1});
  Writer(payload).text("DO 1");
  const Result<ClientCommand> query = decode_command(payload, with_attributes);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text, "DO 1");
  EXPECT_EQ(query->attributes.size(), 0U);
  EXPECT_EQ(query->attributes.block().size(), 2U);
}

TEST(Command, RefusesAttributesThatTheServerRefuses) {
  EXPECT_EQ(decode_command(bytes({3, 0, 2, 'x'}), with_attributes).error(), Errc::malformed);
  EXPECT_EQ(decode_command(bytes({3, 1, 1, 0, 0, 'x'}), with_attributes).error(), Errc::malformed);
  EXPECT_EQ(decode_command(bytes({3, 0xfd, 0, 0, 1, 1}), with_attributes).error(), Errc::malformed);
}

TEST(Command, CutAttributesAreTruncated) {
  const Buffer whole = attributed_query();
  for (std::size_t size = 1; size < whole.size() - 8; ++size)
    EXPECT_EQ(decode_command(prefix(whole, size), with_attributes).error(), Errc::truncated)
        << size;
}

TEST(Command, ReadsTheFieldsOfEachCommand) {
  const auto decode = [](std::initializer_list<int> list) {
    const Result<ClientCommand> decoded = decode_command(bytes(list), with_eof);
    EXPECT_TRUE(decoded && decoded->known);
    return decoded.value();
  };
  const ClientCommand fetch = decode({0x1c, 9, 0, 0, 0x80, 100, 0, 0, 0});
  EXPECT_EQ(fetch.statement, 0x80000009U);
  EXPECT_EQ(fetch.rows, 100U);
  EXPECT_EQ(decode({0x19, 1, 2, 0, 0}).statement, 0x201U);
  EXPECT_EQ(decode({0x1a, 5, 0, 0, 0}).statement, 5U);
  EXPECT_EQ(decode({0x0c, 7, 1, 0, 0}).connection, 263U);
  EXPECT_EQ(decode({0x1b, 1, 0}).option, 1);
}

TEST(Command, ReadsCommandsThatCarryMore) {
  const Buffer long_data = bytes({0x18, 2, 0, 0, 0, 3, 0, 'd', 'a'});
  const ClientCommand piece = decode_command(long_data, with_eof).value();
  EXPECT_EQ(piece.statement, 2U);
  EXPECT_EQ(piece.parameter, 3);
  EXPECT_EQ(as_text(piece.rest), "da");

  const Buffer execute = bytes({0x17, 4, 0, 0, 0, 1, 1, 0, 0, 0, 'r'});
  const ClientCommand run = decode_command(execute, with_eof).value();
  EXPECT_EQ(run.statement, 4U);
  EXPECT_TRUE(run.wants_cursor());
  EXPECT_EQ(as_text(run.rest), "r");

  const Buffer field_list = bytes({0x04, 't', 0, '%', 0});
  const ClientCommand list = decode_command(field_list, with_eof).value();
  EXPECT_EQ(list.text, "t");
  EXPECT_EQ(list.wildcard, "%");

  const Buffer bulk = bytes({0xfa, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 'p'});
  const ClientCommand many = decode_command(bulk, capability::mariadb_stmt_bulk).value();
  EXPECT_TRUE(many.known);
  EXPECT_EQ(many.statement, last_prepared_statement);
  EXPECT_EQ(many.bulk_flags, 0x80);
  EXPECT_EQ(as_text(many.rest), "p");

  const Buffer change_user = bytes("\x11user");
  EXPECT_EQ(as_text(decode_command(change_user, with_eof)->rest), "user");
}

TEST(Command, WhatNoServerServesIsUnknownNotAnError) {
  for (const int command : {0x00, 0x05, 0x0b, 0x12, 0x1d, 0x20, 0x21, 0xfa, 0xff}) {
    const Result<ClientCommand> decoded = decode_command(bytes({command, 1}), with_eof);
    ASSERT_TRUE(decoded) << command;
    EXPECT_FALSE(decoded->known) << command;
  }
  EXPECT_FALSE(decode_command({}, with_eof)->known);
}

TEST(Command, ShortCommandsAreTruncated) {
  const std::vector<Buffer> whole = {bytes({0x0c, 1, 2, 3, 4}),
                                     bytes({0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0}),
                                     bytes({0x18, 1, 0, 0, 0, 1, 0}),
                                     bytes({0x19, 1, 0, 0, 0}),
                                     bytes({0x1a, 1, 0, 0, 0}),
                                     bytes({0x1b, 0, 0}),
                                     bytes({0x1c, 1, 0, 0, 0, 1, 0, 0, 0}),
                                     bytes({0xfa, 1, 0, 0, 0, 0, 0})};
  for (const Buffer& payload : whole) {
    EXPECT_TRUE(decode_command(payload, capability::mariadb_stmt_bulk));
    for (std::size_t size = 1; size < payload.size(); ++size)
      EXPECT_EQ(decode_command(prefix(payload, size), capability::mariadb_stmt_bulk).error(),
                Errc::truncated);
  }
}

TEST(Command, EachHasItsKindOfReply) {
  EXPECT_EQ(reply_kind_of(Command::query), ReplyKind::query);
  EXPECT_EQ(reply_kind_of(Command::stmt_close), ReplyKind::none);
  EXPECT_EQ(reply_kind_of(Command::stmt_send_long_data), ReplyKind::none);
  EXPECT_EQ(reply_kind_of(Command::quit), ReplyKind::none);
  EXPECT_EQ(reply_kind_of(Command::stmt_execute), ReplyKind::execute);
  EXPECT_EQ(reply_kind_of(Command::mariadb_stmt_bulk_execute), ReplyKind::execute);
  EXPECT_EQ(reply_kind_of(Command::statistics), ReplyKind::statistics);
  EXPECT_EQ(reply_kind_of(Command::set_option), ReplyKind::simple);
}

TEST(Command, WhatWeSendIsWhatWeRead) {
  for (const Capabilities capabilities : {with_eof, with_attributes}) {
    Buffer out;
    EXPECT_EQ(append_command(out, Command::query, "SELECT 2", capabilities), 1);
    const Result<ClientCommand> read =
        decode_command(Bytes(out).subspan(packet_header_size), capabilities);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->text, "SELECT 2");
  }
  Buffer close;
  append_stmt_close(close, 0x01020304);
  EXPECT_EQ(close, bytes({5, 0, 0, 0, 0x19, 4, 3, 2, 1}));
  rewrite_statement_id(std::span(close).subspan(packet_header_size), 9);
  EXPECT_EQ(close, bytes({5, 0, 0, 0, 0x19, 9, 0, 0, 0}));
}

TEST(Command, ALongTextGoesOutInSeveralPackets) {
  Buffer out;
  const std::string text(max_packet_payload, 'x');
  EXPECT_EQ(append_command(out, Command::query, text), 2);
  EXPECT_EQ(out.size(), 1 + text.size() + 2 * packet_header_size);
}

/// STMT_EXECUTE of two parameters, 5 and NULL, in the shape asked for.
Buffer execute_payload(bool attributes, bool types) {
  Buffer payload;
  Writer writer(payload);
  writer.int1(0x17).int4(3).int1(attributes ? 0x08 : 0).int4(1);
  if (attributes) writer.lenenc(2);
  writer.int1(0b10).int1(types ? 1 : 0);
  for (const int type : {3, 6}) {
    if (types) writer.int1(static_cast<std::uint64_t>(type)).int1(0);
    if (types && attributes) writer.lenenc_text(type == 3 ? "n" : "");
  }
  writer.int4(5);
  return payload;
}

TEST(Command, FindsTheTypesOfAnExecute) {
  for (const bool attributes : {false, true}) {
    const Capabilities capabilities = attributes ? with_attributes : with_eof;
    const Buffer payload = execute_payload(attributes, true);
    const ClientCommand execute = decode_command(payload, capabilities).value();
    const Result<ExecuteParameters> found = parse_execute_parameters(execute, 2, capabilities);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->count, 2U);
    EXPECT_EQ(found->count_sent, attributes);
    EXPECT_TRUE(found->types_bound);
    EXPECT_EQ(found->types.size(), attributes ? 7U : 4U);
    EXPECT_EQ(found->null_bitmap.size(), 1U);
    EXPECT_EQ(found->values.size(), 4U);
  }
}

TEST(Command, AnExecuteCanBeGivenItsTypesAgain) {
  for (const bool attributes : {false, true}) {
    const Capabilities capabilities = attributes ? with_attributes : with_eof;
    const Buffer first = execute_payload(attributes, true);
    const ClientCommand bound = decode_command(first, capabilities).value();
    const Bytes types = parse_execute_parameters(bound, 2, capabilities)->types;

    const Buffer again = execute_payload(attributes, false);
    const ClientCommand execute = decode_command(again, capabilities).value();
    const ExecuteParameters parameters = parse_execute_parameters(execute, 2, capabilities).value();
    EXPECT_FALSE(parameters.types_bound);
    Buffer out;
    append_execute_with_types(out, execute, parameters, 3, types);
    EXPECT_EQ(out, first);
  }
}

TEST(Command, AnExecuteWithoutParametersHasNone) {
  const Buffer payload = bytes({0x17, 3, 0, 0, 0, 0, 1, 0, 0, 0});
  for (const Capabilities capabilities : {with_eof, with_attributes}) {
    const ClientCommand execute = decode_command(payload, capabilities).value();
    const Result<ExecuteParameters> found = parse_execute_parameters(execute, 0, capabilities);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->count, 0U);
    EXPECT_FALSE(found->count_sent);
  }
  const Buffer counted = bytes({0x17, 3, 0, 0, 0, 8, 1, 0, 0, 0, 0});
  const ClientCommand execute = decode_command(counted, with_attributes).value();
  EXPECT_TRUE(parse_execute_parameters(execute, 0, with_attributes)->count_sent);
}

TEST(Command, ACutExecuteIsTruncated) {
  for (const bool attributes : {false, true}) {
    const Capabilities capabilities = attributes ? with_attributes : with_eof;
    const Buffer whole = execute_payload(attributes, true);
    for (std::size_t size = 10; size < whole.size() - 4; ++size) {
      const Buffer cut = prefix(whole, size);
      const ClientCommand execute = decode_command(cut, capabilities).value();
      EXPECT_EQ(parse_execute_parameters(execute, 2, capabilities).error(), Errc::truncated);
    }
  }
}

}  // namespace
}  // namespace sluice::protocol
