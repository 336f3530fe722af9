#include "protocol/bulk.hpp"

#include <gtest/gtest.h>

namespace sluice::protocol {
namespace {

/// A bulk execute of statement 7 with two parameters and `rest` behind its flags.
Buffer payload(std::uint16_t flags, std::string_view rest) {
  Buffer out;
  Writer(out)
      .int1(static_cast<std::uint8_t>(Command::mariadb_stmt_bulk_execute))
      .int4(7)
      .int2(flags);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

ClientCommand decoded(const Buffer& bytes) {
  return *decode_command(bytes, capability::protocol_41 | capability::mariadb_stmt_bulk);
}

std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(BulkExecute, TellsTheTypesThatItBinds) {
  const Buffer bytes = payload(bulk_flag::types_to_server, "TtUurows");
  EXPECT_TRUE(binds_types(decoded(bytes)));
  EXPECT_EQ(text(bulk_types(decoded(bytes), 2)), "TtUu");
}

TEST(BulkExecute, BindsNoneUnlessItsFlagsSaySo) {
  const Buffer bytes = payload(0, "TtUurows");
  EXPECT_FALSE(binds_types(decoded(bytes)));
  EXPECT_EQ(text(bulk_types(decoded(bytes), 2)), "");
}

TEST(BulkExecute, HasNoTypesIfTheyAreCutOff) {
  for (std::size_t length = 0; length < 4; ++length) {
    const Buffer bytes =
        payload(bulk_flag::types_to_server, std::string_view("TtUu").substr(0, length));
    EXPECT_EQ(text(bulk_types(decoded(bytes), 2)), "") << length;
  }
}

TEST(BulkExecute, IsGivenTheTypesThatTheClientLeftOut) {
  const Buffer bytes = payload(bulk_flag::unit_results, "rows");
  const std::string types = "TtUu";
  Buffer out;
  append_bulk_with_types(out, decoded(bytes), 9,
                         Bytes(reinterpret_cast<const std::uint8_t*>(types.data()), types.size()));
  const ClientCommand told = decoded(out);
  EXPECT_EQ(told.statement, 9U);
  EXPECT_EQ(told.bulk_flags, bulk_flag::unit_results | bulk_flag::types_to_server);
  EXPECT_EQ(text(bulk_types(told, 2)), "TtUu");
  EXPECT_EQ(text(told.rest), "TtUurows");
}

}  // namespace
}  // namespace sluice::protocol
