#include "bench/load/workload.hpp"

#include <gtest/gtest.h>

#include "protocol/command.hpp"
#include "protocol/packet.hpp"

namespace sluice::load {
namespace {

using protocol::Buffer;
using protocol::Bytes;

Bytes payload_of(const Buffer& packet) {
  return Bytes(packet).subspan(protocol::packet_header_size);
}

TEST(Workload, WritesIdsInPlaceOfQuestionMarks) {
  Options options;
  options.sql = "SELECT ?, b FROM t WHERE id=? LIMIT 1";
  options.rows = 1;
  Workload workload(options, options.sql);
  Buffer out;
  workload.make_query(out);
  const auto command = protocol::decode_command(payload_of(out), 0);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->text, "SELECT 1, b FROM t WHERE id=1 LIMIT 1");
  EXPECT_EQ(workload.parameters(), 2U);
}

TEST(Workload, BindsIdsAndSendsTheirTypesOnce) {
  Options options;
  options.sql = "SELECT ?, ?";
  options.rows = 1;
  Workload workload(options, options.sql);
  Buffer out;
  for (const auto types : {Workload::Types::sent, Workload::Types::known}) {
    workload.make_execute(out, 7, types);
    EXPECT_EQ(protocol::decode_header(out.data()).payload_size, payload_of(out).size());
    const auto command = protocol::decode_command(payload_of(out), 0);
    ASSERT_TRUE(command);
    EXPECT_EQ(command->statement, 7U);
    const auto parameters = protocol::parse_execute_parameters(*command, 2, 0);
    ASSERT_TRUE(parameters);
    EXPECT_EQ(parameters->types_bound, types == Workload::Types::sent);
    ASSERT_EQ(parameters->values.size(), 16U);
    EXPECT_EQ(protocol::Reader(parameters->values).int8(), 1U);
  }
}

TEST(Workload, StaysWithinTheRows) {
  Options options;
  options.sql = "?";
  options.rows = 3;
  Workload workload(options, options.sql);
  Buffer out;
  unsigned seen[4] = {};
  for (int i = 0; i < 300; ++i) {
    workload.make_query(out);
    ASSERT_EQ(out.size(), 6U);
    const int id = out.back() - '0';
    ASSERT_TRUE(id >= 1 && id <= 3) << id;
    ++seen[id];
  }
  for (int id = 1; id <= 3; ++id) EXPECT_GT(seen[id], 50U) << id;
}

}  // namespace
}  // namespace sluice::load
