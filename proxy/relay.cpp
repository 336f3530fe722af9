#include "proxy/relay.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/command.hpp"
#include "proxy/planted_bugs.hpp"

namespace sluice::proxy {
namespace {

using protocol::packet_header_size;
using Kind = protocol::ResponseTracker::Packet;

/// A body of this size is offered to the client's socket at once, uncopied.
constexpr std::size_t direct_write = 8 * 1024;
/// Ten thousand sessions have two of these each.
constexpr std::size_t keep_capacity = 4 * 1024;

/// What both engines track by default, hence what a client with session_track
/// expects to hear. Source: their manuals, "session_track_system_variables".
constexpr std::array<std::string_view, 5> default_tracked{"autocommit", "character_set_client",
                                                          "character_set_connection",
                                                          "character_set_results", "time_zone"};

}  // namespace

Relay::Relay(PacketStream& client, std::size_t buffer_limit)
    : client_(client), limit_(buffer_limit), event_(client.executor()) {}

void Relay::begin(protocol::Capabilities capabilities, routing::Flavour flavour) {
  capabilities_ = capabilities;
  flavour_ = flavour;
  summary_ = {};
  out_.clear();
  final_.clear();
  sync_error_.clear();
  prepared_.reset();
  syncs_left_ = 0;
  ended_ = lost_ = moved_ = flushed_ = infile_ = false;
  shared_link_ = nullptr;
  event_.clear();
}

bool Relay::audible(const protocol::TrackEntry& entry) noexcept {
  if (forgets("trackers")) return false;
  switch (entry.type) {
    case protocol::TrackType::schema:
    // Sluice leaves these as the server has them: what comes is what clients expect.
    case protocol::TrackType::transaction_characteristics:
    case protocol::TrackType::transaction_state: return true;
    case protocol::TrackType::system_variables:
      return std::find(default_tracked.begin(), default_tracked.end(), entry.name) !=
             default_tracked.end();
    default: return false;
  }
}

Task<RelayEnd> Relay::wait_sync() {
  while (syncs_left_ > 0 && !lost_) co_await event_.wait();
  if (!sync_error_.empty()) co_return RelayEnd::sync_failed;
  co_return lost_ ? RelayEnd::lost : RelayEnd::complete;
}

Task<RelayEnd> Relay::wait(std::shared_ptr<Link> link) {
  for (;;) {
    if (!sync_error_.empty() && ended_) co_return RelayEnd::sync_failed;
    if (lost_) {
      co_return flushed_ ? RelayEnd::cut : moved_ ? RelayEnd::moved : RelayEnd::lost;
    }
    if (ended_) co_return RelayEnd::complete;
    if (infile_) {
      error_code error = co_await pass_on();
      if (!error) error = co_await send_file(link);
      if (error) co_return RelayEnd::client_gone;
      infile_ = false;
      continue;
    }
    if (saturated()) {
      // Let the link read on while the client takes what is there.
      std::swap(sending_, out_);
      out_.clear();
      flushed_ = true;
      link->resume();
      const error_code error = co_await client_.write_all(sending_);
      sending_.clear();
      if (error) co_return RelayEnd::client_gone;
      continue;
    }
    co_await event_.wait();
  }
}

Task<error_code> Relay::pass_on() {
  error_code error;
  if (!out_.empty()) {
    flushed_ = true;
    const std::size_t sent = client_.try_write(out_, error);
    if (!error && sent < out_.size()) {
      const protocol::Bytes rest = protocol::Bytes(out_).subspan(sent);
      error = co_await client_.write_all(rest);
    }
    out_.clear();
    if (out_.capacity() > keep_capacity) out_.shrink_to_fit();
  }
  if (sending_.capacity() > keep_capacity) sending_.shrink_to_fit();
  co_return error;
}

bool Relay::finish_now(error_code& error) {
  out_.insert(out_.end(), final_.begin(), final_.end());
  final_.clear();
  const std::size_t sent = client_.try_write(out_, error);
  const bool all = error || sent == out_.size();
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(all ? out_.size() : sent));
  if (all && out_.capacity() > keep_capacity) out_.shrink_to_fit();
  return all;
}

Task<error_code> Relay::finish() {
  out_.insert(out_.end(), final_.begin(), final_.end());
  final_.clear();
  co_return co_await pass_on();
}

void Relay::discard() {
  out_.clear();
  final_.clear();
}

Task<error_code> Relay::send_file(std::shared_ptr<Link> link) {
  // The client's packets up to and with an empty one are the file's.
  for (;;) {
    error_code error = co_await client_.fill_to(packet_header_size);
    if (error) co_return error;
    const auto header = protocol::decode_header(client_.input().data());
    std::size_t left = packet_header_size + header.payload_size;
    while (left > 0) {
      if (client_.input().empty()) {
        error = co_await client_.fill();
        if (error) co_return error;
      }
      const std::size_t part = std::min(left, client_.input().size());
      link->send_more(client_.input().first(part));
      client_.consume(part);
      left -= part;
      co_await link->room();
    }
    if (header.payload_size == 0) {
      link->flush();
      link->infile_sent(static_cast<std::uint8_t>(header.sequence + 1));
      co_return error_code{};
    }
  }
}

void Relay::on_bytes(ExchangeTag tag, protocol::Bytes bytes) {
  if (tag != main_tag || !sync_error_.empty()) return;
  if (out_.empty() && bytes.size() >= direct_write && !client_.encrypted() && sending_.empty() &&
      !sharing()) {
    error_code error;
    const std::size_t sent = client_.try_write(bytes, error);
    // A broken client shows itself again when the rest is written.
    if (sent > 0) flushed_ = true;
    bytes = bytes.subspan(sent);
  }
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  if (out_.size() < limit_) return;
  // Others shall not wait behind it, nor for its client.
  if (sharing()) shared_link_->evacuate();
  event_.notify();
}

void Relay::cut_off() {
  lost_ = true;
  event_.notify();
}

void Relay::on_packet(ExchangeTag tag, Kind kind, protocol::Bytes packet,
                      const protocol::OkPacket* ok, bool last) {
  if (tag != main_tag) {
    take_sync(kind, packet);
    return;
  }
  if (!sync_error_.empty()) return;
  protocol::Buffer& to = last ? final_ : out_;
  summary_.trackers_heard = kind == Kind::ok && ok != nullptr;
  if (kind == Kind::ok && ok != nullptr) {
    take_ok(packet, *ok, to);
    return;
  }
  if (kind == Kind::err) {
    summary_.failed = true;
    if (const auto err = protocol::decode_err(packet.subspan(packet_header_size)))
      summary_.error_code = err->code;
  }
  if (kind == Kind::prepare_ok) {
    const auto prepared =
        protocol::decode_prepare_ok(packet.subspan(packet_header_size), capabilities_);
    if (prepared) prepared_ = *prepared;
    const std::size_t at = to.size();
    to.insert(to.end(), packet.begin(), packet.end());
    if (prepared)
      protocol::rewrite_statement_id(std::span(to).subspan(at + packet_header_size), prepare_id_);
    return;
  }
  if (kind == Kind::eof) {
    const auto eof = protocol::decode_eof(packet.subspan(packet_header_size));
    if (eof) summary_.warnings = eof->warnings;
  }
  to.insert(to.end(), packet.begin(), packet.end());
  // Without trackers nothing tells such a client what has changed.
  if (kind == Kind::eof && (capabilities_ & protocol::capability::session_track) == 0)
    to.back() &= static_cast<std::uint8_t>(~(protocol::status::session_state_changed >> 8));
}

void Relay::take_ok(protocol::Bytes packet, const protocol::OkPacket& ok, protocol::Buffer& to) {
  if (ok.last_insert_id != 0) summary_.last_insert_id = ok.last_insert_id;
  summary_.warnings = ok.warnings;
  const bool client_tracks = (capabilities_ & protocol::capability::session_track) != 0;
  if (ok.session_state.empty() && client_tracks) {
    to.insert(to.end(), packet.begin(), packet.end());
    return;
  }
  if (!ok.session_state.empty()) listen(ok);
  protocol::OkPacket told = ok;
  told.session_state = {};
  if (client_tracks) {
    filtered_.clear();
    const auto kept = protocol::filter_session_track(ok.session_state, audible, filtered_);
    if (kept) told.session_state = filtered_;
  }
  protocol::append_ok(to, told, capabilities_, protocol::decode_header(packet.data()).sequence);
}

void Relay::listen(const protocol::OkPacket& ok) {
  protocol::SessionTrack walk(ok.session_state);
  while (const auto entry = walk.next()) {
    std::string_view gtid;
    switch (entry->type) {
      case protocol::TrackType::schema: summary_.state_learned = true; break;
      case protocol::TrackType::state_change: summary_.state_changed |= entry->value == "1"; break;
      case protocol::TrackType::gtids: gtid = entry->value; break;
      case protocol::TrackType::system_variables:
        if (entry->name == "last_gtid") {
          gtid = entry->value;
          break;
        }
        if (entry->name == "last_insert_id" || entry->name == "identity")
          std::from_chars(entry->value.data(), entry->value.data() + entry->value.size(),
                          summary_.last_insert_id);
        switch (routing::kind_of_variable(entry->name)) {
          case routing::VariableKind::replayable: summary_.state_learned = true; break;
          case routing::VariableKind::one_shot: summary_.one_shot_set = true; break;
          case routing::VariableKind::ignored: break;
        }
        break;
      default: break;
    }
    if (gtid.empty()) continue;
    if (const auto set = routing::GtidSet::parse(gtid, flavour_))
      summary_.gtid = summary_.gtid.merge(*set);
  }
}

void Relay::take_sync(Kind kind, protocol::Bytes packet) {
  if (kind != Kind::err || !sync_error_.empty()) return;
  const protocol::Bytes payload = packet.subspan(packet_header_size);
  sync_error_.assign(payload.begin(), payload.end());
}

void Relay::on_infile(ExchangeTag tag, protocol::Bytes packet) {
  if (tag != main_tag) return;
  out_.insert(out_.end(), packet.begin(), packet.end());
  infile_ = true;
  event_.notify();
}

void Relay::on_end(ExchangeTag tag, const protocol::ResponseTracker& tracker, error_code error) {
  if (error) {
    lost_ = true;
    moved_ = error == moved_elsewhere;
  } else if (tag != main_tag) {
    --syncs_left_;
  } else {
    ended_ = true;
    summary_.status = tracker.status();
    summary_.cursor_open = tracker.cursor_open();
    summary_.rows = tracker.rows();
    summary_.bytes = tracker.bytes();
  }
  event_.notify();
}

}  // namespace sluice::proxy
