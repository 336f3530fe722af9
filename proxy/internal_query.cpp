#include "proxy/internal_query.hpp"

#include <utility>

#include "protocol/command.hpp"
#include "protocol/resultset.hpp"

namespace sluice::proxy {

InternalQuery::~InternalQuery() {
  if (link_ && !ended_) link_->abandon(this);
}

Task<error_code> InternalQuery::run(std::shared_ptr<Link> link, std::string statement,
                                    protocol::Command command) {
  if (link->closed()) co_return asio::error::not_connected;
  link_ = std::move(link);
  body_.clear();
  rows_.clear();
  columns_.clear();
  refusal_.reset();
  refusal_payload_.clear();
  prepared_.reset();
  error_ = {};
  ended_ = too_large_ = file_asked_ = false;
  done_.clear();
  protocol::Buffer packets;
  protocol::append_command(packets, command, statement, link_->facts().capabilities);
  link_->send(packets, protocol::reply_kind_of(command), this, 0);
  link_->flush();
  while (!ended_) {
    co_await done_.wait();
    // There is no file, and no way to go on without one.
    if (file_asked_) link_->close(protocol::make_error_code(protocol::Errc::unexpected_packet));
  }
  if (!error_ && too_large_) error_ = protocol::make_error_code(protocol::Errc::too_large);
  if (!error_ && !refusal_ && command == protocol::Command::query)
    decode_rows(link_->facts().capabilities);
  link_.reset();
  co_return error_;
}

void InternalQuery::on_bytes(ExchangeTag, protocol::Bytes bytes) {
  if (too_large_) return;
  if (body_.size() + bytes.size() > max_bytes) {
    too_large_ = true;
    return;
  }
  body_.insert(body_.end(), bytes.begin(), bytes.end());
}

void InternalQuery::on_packet(ExchangeTag, protocol::ResponseTracker::Packet kind,
                              protocol::Bytes packet, const protocol::OkPacket*, bool last) {
  const protocol::Bytes payload = packet.subspan(protocol::packet_header_size);
  if (kind == protocol::ResponseTracker::Packet::prepare_ok) {
    const auto prepared = protocol::decode_prepare_ok(payload, link_->facts().capabilities);
    if (prepared) prepared_ = *prepared;
  }
  // The EOF behind the definitions, where it comes apart, is counted with the body.
  if (kind == protocol::ResponseTracker::Packet::eof && !last) on_bytes(0, packet);
  if (kind != protocol::ResponseTracker::Packet::err) return;
  refusal_payload_.assign(payload.begin(), payload.end());
  if (const auto err = protocol::decode_err(payload)) {
    refusal_ = protocol::Refusal{err->code, std::string(err->sql_state), std::string(err->message)};
  } else {
    refusal_ = protocol::Refusal{protocol::server_error::malformed_packet, "HY000", "malformed"};
  }
}

void InternalQuery::on_infile(ExchangeTag, protocol::Bytes) {
  file_asked_ = true;
  done_.notify();
}

void InternalQuery::on_end(ExchangeTag, const protocol::ResponseTracker&, error_code error) {
  error_ = error;
  ended_ = true;
  done_.notify();
}

void InternalQuery::decode_rows(protocol::Capabilities capabilities) {
  protocol::Bytes rest(body_);
  std::size_t columns = 0;
  std::size_t skip = 0;  // definitions, and the EOF behind them
  bool head = true;
  while (rest.size() >= protocol::packet_header_size) {
    const auto header = protocol::decode_header(rest.data());
    const std::size_t whole = protocol::packet_header_size + header.payload_size;
    if (whole > rest.size()) return;
    const protocol::Bytes payload = rest.subspan(protocol::packet_header_size, header.payload_size);
    rest = rest.subspan(whole);
    if (head) {
      const auto count = protocol::decode_column_count(payload, capabilities);
      if (!count) return;
      columns = static_cast<std::size_t>(count->columns);
      skip = count->definitions_follow ? columns : 0;
      if ((capabilities & protocol::capability::deprecate_eof) == 0) ++skip;
      head = false;
    } else if (skip > 0) {
      --skip;
      if (columns_.size() < columns) {
        const auto column = protocol::decode_column(payload, capabilities);
        if (!column) return;
        columns_.push_back({column->type, column->flags});
      }
    } else {
      const auto row = protocol::decode_text_row(payload, columns);
      if (!row) return;
      Row& kept = rows_.emplace_back();
      for (const auto& cell : *row)
        kept.push_back(cell ? std::optional<std::string>(*cell) : std::nullopt);
    }
  }
}

}  // namespace sluice::proxy
