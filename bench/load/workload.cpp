#include "bench/load/workload.hpp"

#include <charconv>

#include "protocol/command.hpp"
#include "protocol/packet.hpp"

namespace sluice::load {

namespace {

constexpr std::uint8_t type_longlong = 8;  // MYSQL_TYPE_LONGLONG

}  // namespace

Workload::Workload(const Options& options, const std::string& sql)
    : protocol_(options.protocol), sql_(sql), rows_(options.rows) {
  std::size_t begin = 0;
  for (std::size_t mark = sql_.find('?'); mark != std::string::npos; mark = sql_.find('?', begin)) {
    pieces_.push_back(sql_.substr(begin, mark - begin));
    begin = mark + 1;
  }
  pieces_.push_back(sql_.substr(begin));
}

std::uint64_t Workload::random_id() noexcept {
  // xorshift64 (Marsaglia): a few cycles, and uniform enough for row ids.
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_ % rows_ + 1;
}

void Workload::make_query(protocol::Buffer& out) {
  text_ = pieces_.front();
  for (std::size_t i = 1; i < pieces_.size(); ++i) {
    char digits[20];
    const auto written = std::to_chars(std::begin(digits), std::end(digits), random_id());
    text_.append(digits, written.ptr);
    text_ += pieces_[i];
  }
  out.clear();
  protocol::append_command(out, protocol::Command::query, text_);
}

void Workload::make_execute(protocol::Buffer& out, std::uint32_t statement, Types types) {
  out.assign(protocol::packet_header_size, 0);
  protocol::Writer writer(out);
  writer.int1(static_cast<std::uint8_t>(protocol::Command::stmt_execute)).int4(statement);
  writer.int1(0).int4(1);  // no cursor, one iteration
  if (parameters() > 0) {
    writer.zeros((parameters() + 7) / 8).int1(types == Types::sent ? 1 : 0);
    if (types == Types::sent)
      for (std::size_t i = 0; i < parameters(); ++i) writer.int1(type_longlong).int1(0);
    for (std::size_t i = 0; i < parameters(); ++i) writer.int8(random_id());
  }
  protocol::encode_header(
      {static_cast<std::uint32_t>(out.size() - protocol::packet_header_size), 0}, out.data());
}

}  // namespace sluice::load
