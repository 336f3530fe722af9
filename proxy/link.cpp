#include "proxy/link.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

#include "protocol/session_track.hpp"

namespace sluice::proxy {
namespace {

/// A streaming sender waits above this.
constexpr std::size_t room_mark = 256 * 1024;
/// Buffers above this are given back once they are empty.
constexpr std::size_t keep_capacity = 256 * 1024;
/// What is read at once, of replies as most are and of long ones.
constexpr std::size_t small_chunk = SocketWatch::buffer_size;
constexpr std::size_t long_chunk = 64 * 1024;

}  // namespace

Link::Link(std::unique_ptr<PacketStream> stream, protocol::BackendFacts facts, std::size_t backend,
           routing::LinkRole role, BackendCounters& counters)
    : stream_(std::move(stream)),
      facts_(std::move(facts)),
      backend_(backend),
      role_(role),
      counters_(counters),
      resumed_(stream_->executor()),
      room_(stream_->executor()) {
  add(counters_.links);
  add(counters_.links_opened);
}

Link::~Link() {
  // Closed by now, unless the process ends around it.
  for (std::size_t i = 0; i < exchanges_.size(); ++i) subtract(counters_.in_flight);
  subtract(counters_.links);
}

void Link::start(const std::shared_ptr<Link>& link) {
  link->self_ = link;
  asio::co_spawn(link->stream_->executor(), read_loop(link), rethrow);
}

void Link::send(protocol::Bytes packets, protocol::ReplyKind kind, ReplySink* sink, ExchangeTag tag,
                std::uint8_t first_sequence) {
  begin(kind, sink, tag);
  send_more(packets);
  end(first_sequence);
}

void Link::begin(protocol::ReplyKind kind, ReplySink* sink, ExchangeTag tag) {
  assert(!streaming_ && "a command begins while another is being sent");
  if (closed_) {
    if (kind != protocol::ReplyKind::none && sink != nullptr)
      sink->on_end(tag, {}, asio::error::not_connected);
    return;
  }
  streaming_ = true;
  streaming_reply_ = kind != protocol::ReplyKind::none;
  if (!streaming_reply_) return;
  const auto now = Clock::now();
  if (exchanges_.empty()) front_since_ = now;
  if (exchanges_.full()) exchanges_.set_capacity(exchanges_.capacity() * 2);
  exchanges_.push_back(Exchange{{}, kind, sink, tag, now});
  Exchange& exchange = exchanges_.back();
  exchange.tracker.reset(kind, facts_.capabilities, 1);
  add(counters_.in_flight);
}

void Link::send_more(protocol::Bytes raw) {
  if (closed_) return;
  out_.insert(out_.end(), raw.begin(), raw.end());
}

void Link::end(std::uint8_t first_sequence) {
  streaming_ = false;
  // The last exchange may be that of an earlier command, if this one gets no reply.
  if (closed_ || !streaming_reply_ || exchanges_.empty()) return;
  Exchange& last = exchanges_.back();
  // An ERR may have come while the command was still being sent.
  if (first_sequence != 1 && last.tracker.untouched())
    last.tracker.reset(last.kind, facts_.capabilities, first_sequence);
}

void Link::flush() {
  if (closed_ || writing_ || out_.empty()) return;
  error_code error;
  const std::size_t sent = stream_->try_write(out_, error);
  if (error) {
    close(error);
    return;
  }
  if (sent == out_.size()) {
    out_.clear();
    if (out_.capacity() > keep_capacity) out_.shrink_to_fit();
    return;
  }
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent));
  writing_ = true;
  asio::co_spawn(stream_->executor(), write_loop(self_.lock()), rethrow);
}

void Link::flush_soon() {
  if (flush_posted_ || closed_) return;
  flush_posted_ = true;
  auto flush_now = [self = self_.lock()] {
    self->flush_posted_ = false;
    self->flush();
  };
  asio::post(stream_->executor(), std::move(flush_now));
}

void Link::evacuate() {
  shared = false;
  for (std::size_t i = 1; i < exchanges_.size(); ++i) {
    Exchange& exchange = exchanges_[i];
    if (ReplySink* sink = std::exchange(exchange.sink, nullptr))
      sink->on_end(exchange.tag, exchange.tracker, moved_elsewhere);
  }
}

Task<> Link::room() {
  while (!closed_ && queued() > room_mark) {
    flush();
    if (queued() <= room_mark) break;
    co_await room_.wait();
  }
}

void Link::infile_sent(std::uint8_t next_sequence) {
  if (closed_ || exchanges_.empty()) return;
  exchanges_.front().tracker.infile_sent(next_sequence);
  resumed_.notify();
}

void Link::resume() { resumed_.notify(); }

void Link::abandon(const ReplySink* sink) noexcept {
  for (Exchange& exchange : exchanges_)
    if (exchange.sink == sink) exchange.sink = nullptr;
  resumed_.notify();
}

void Link::close(error_code why) noexcept {
  if (closed_) return;
  closed_ = true;
  stream_->close();
  // Now, not when the loops have let go of the link: another may open in its place.
  budget_token.reset();
  fail(why ? why : error_code{asio::error::operation_aborted});
}

void Link::fail(error_code why) noexcept {
  while (!exchanges_.empty()) finish_front(why);
  resumed_.notify();
  room_.notify();
}

void Link::finish_front(error_code error) {
  const Exchange exchange = std::move(exchanges_.front());
  exchanges_.pop_front();
  subtract(counters_.in_flight);
  if (!error) {
    const auto ended = Clock::now();
    last_service_ = std::chrono::duration_cast<std::chrono::microseconds>(ended - front_since_);
    front_since_ = ended;
    add(counters_.answered);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(ended - exchange.sent_at);
    const std::uint64_t before = read(counters_.latency_us);
    const auto now = static_cast<std::uint64_t>(took.count());
    counters_.replies.observe(now);
    counters_.latency_us.store(before == 0 ? now : (before * 7 + now) / 8,
                               std::memory_order_relaxed);
  }
  if (exchange.sink != nullptr) exchange.sink->on_end(exchange.tag, exchange.tracker, error);
}

Task<> Link::read_loop(std::shared_ptr<Link> self) {
  Link& link = *self;
  error_code error;
  std::size_t chunk = small_chunk;
  while (!link.closed_) {
    link.stream_->reserve(std::max(link.needed_, chunk));
    error = co_await link.stream_->fill();
    chunk = link.stream_->input().size() < chunk ? small_chunk : long_chunk;
    if (error || link.closed_) break;
    for (;;) {
      error = link.walk();
      if (error || link.closed_ || link.exchanges_.empty()) break;
      Exchange& front = link.exchanges_.front();
      const bool full = front.sink != nullptr && front.sink->saturated();
      if (!full && !front.tracker.awaits_infile()) break;
      if (front.tracker.awaits_infile() && front.sink == nullptr) {
        // Whoever would have sent the file is gone.
        error = protocol::make_error_code(protocol::Errc::unexpected_packet);
        break;
      }
      co_await link.resumed_.wait();
      if (link.closed_) break;
    }
    if (error) break;
  }
  link.close(error);
}

error_code Link::walk() {
  using What = protocol::ResponseTracker::Step::What;
  needed_ = 0;
  while (!closed_ && !stream_->input().empty()) {
    // Nobody asked: a server says why it hangs up, or lies. Either way it is over.
    if (exchanges_.empty()) return protocol::make_error_code(protocol::Errc::unexpected_packet);
    Exchange& front = exchanges_.front();
    if (front.tracker.awaits_infile()) return {};
    if (front.sink != nullptr && front.sink->saturated()) return {};
    const auto step = front.tracker.next(stream_->input());
    if (!step) return step.error();
    if (step->what == What::need_more) {
      needed_ = step->size;
      return {};
    }
    const protocol::Bytes bytes = stream_->input().first(step->size);
    switch (step->what) {
      case What::forward:
        if (front.sink != nullptr) front.sink->on_bytes(front.tag, bytes);
        break;
      case What::held: hold(front, *step, bytes); break;
      case What::local_infile:
        if (front.sink != nullptr) {
          front.sink->on_infile(front.tag, bytes);
        } else {
          // Nobody is left to send the file: an empty one ends the exchange.
          return protocol::make_error_code(protocol::Errc::unexpected_packet);
        }
        break;
      case What::need_more: break;
    }
    add(counters_.bytes_received, step->size);
    stream_->consume(step->size);
    if (step->done && !closed_) finish_front({});
  }
  return {};
}

void Link::hold(Exchange& exchange, const protocol::ResponseTracker::Step& step,
                protocol::Bytes packet) {
  if (step.packet == protocol::ResponseTracker::Packet::ok) {
    const auto ok =
        protocol::decode_ok(packet.subspan(protocol::packet_header_size), facts_.capabilities);
    if (ok) {
      has_conditions = has_conditions || ok->warnings > 0;
      // The statement itself may have given this id: then the old one is still there.
      if (ok->last_insert_id != 0) insert_id.reset();
      if (!ok->session_state.empty()) learn(*ok);
      if (exchange.sink != nullptr)
        exchange.sink->on_packet(exchange.tag, step.packet, packet, &*ok, step.done);
      return;
    }
    dirty = true;  // whatever state it told of is unknown
  }
  if (step.packet == protocol::ResponseTracker::Packet::err) has_conditions = true;
  if (step.packet == protocol::ResponseTracker::Packet::eof) {
    const auto eof = protocol::decode_eof(packet.subspan(protocol::packet_header_size));
    has_conditions = has_conditions || !eof || eof->warnings > 0;
  }
  if (exchange.sink != nullptr)
    exchange.sink->on_packet(exchange.tag, step.packet, packet, nullptr, step.done);
}

/// The entries of one packet come in any order.
void Link::learn(const protocol::OkPacket& ok) {
  routing::StateVector told;
  bool schema_told = false;
  protocol::SessionTrack walk(ok.session_state);
  while (const auto entry = walk.next()) {
    if (entry->type == protocol::TrackType::schema) {
      image.schema.assign(entry->value);
      schema_told = true;
    } else if (entry->type == protocol::TrackType::system_variables) {
      if (routing::kind_of_variable(entry->name) == routing::VariableKind::replayable)
        told.set(entry->name, entry->value);
      if (entry->name == "last_insert_id" || entry->name == "identity") {
        std::uint64_t value = 0;
        std::from_chars(entry->value.data(), entry->value.data() + entry->value.size(), value);
        insert_id = value;
      }
    }
  }
  routing::add_consequences(told);
  if (schema_told) {
    image.erase("collation_database");
    told.erase("collation_database");
  }
  for (const auto& [name, value] : told.variables()) image.set(name, value);
  if (!walk.ok()) dirty = true;
}

Task<> Link::write_loop(std::shared_ptr<Link> self) {
  Link& link = *self;
  while (!link.closed_ && !link.out_.empty()) {
    link.sending_.clear();
    std::swap(link.sending_, link.out_);
    const error_code error = co_await link.stream_->write_all(link.sending_);
    link.sending_.clear();
    if (error) {
      link.writing_ = false;
      link.close(error);
      co_return;
    }
    link.room_.notify();
  }
  if (link.sending_.capacity() > keep_capacity) link.sending_.shrink_to_fit();
  link.writing_ = false;
  link.room_.notify();
}

}  // namespace sluice::proxy
