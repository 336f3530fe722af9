#include "bench/load/connection.hpp"

#include <algorithm>
#include <cerrno>

#include "protocol/command.hpp"
#include "protocol/response.hpp"

namespace sluice::load {

using protocol::Bytes;
using protocol::Want;

protocol::BackendLoginParams login_params(const Options& options) {
  protocol::BackendLoginParams params;
  params.user = options.user;
  params.password = protocol::Secret(options.password);
  params.schema = options.schema;
  // What client libraries of today ask for.
  params.wanted = protocol::capability::transactions | protocol::capability::multi_results |
                  protocol::capability::ps_multi_results | protocol::capability::session_track |
                  protocol::capability::deprecate_eof;
  params.tls = options.tls ? protocol::TlsWish::require : protocol::TlsWish::off;
  if (!options.unix_path.empty()) params.channel = protocol::Channel::unix_socket;
  params.attributes = {{"_client_name", "sluice_load"}, {"program_name", "sluice_load"}};
  return params;
}

Connection::Connection(const Options& options, std::vector<Workload*> workloads)
    : socket_(options, ClientSocket::Mode::blocking) {
  log_in(options);
  for (Workload* workload : workloads) {
    asked_.push_back({.workload = workload});
    if (workload->protocol() == Protocol::prepared) prepare(asked_.back());
  }
  socket_.stop_blocking();
}

Connection::~Connection() {
  if (busy_) return;
  command_.clear();
  protocol::append_command(command_, protocol::Command::quit);
  // Best effort: the peer learns of our end by the close too.
  [[maybe_unused]] const ssize_t sent = socket_.write(command_);
}

void Connection::log_in(const Options& options) {
  protocol::BackendLogin login(login_params(options));
  protocol::Buffer payload;
  Want want = login.start();
  while (want != Want::done) {
    if (want == Want::read) {
      const protocol::PacketHeader header = read_packet(payload);
      want = login.on_packet(payload, header.sequence);
    } else if (want == Want::write) {
      write_all(login.outgoing());
      want = login.on_written();
    } else if (want == Want::start_tls) {
      socket_.start_tls();
      want = login.on_tls();
    } else {
      throw ConnectError("login failed: " +
                         (login.refusal() ? login.refusal()->message : login.error().message()));
    }
  }
  capabilities_ = login.facts().capabilities;
}

void Connection::prepare(Asked& asked) {
  kind_ = protocol::ReplyKind::execute;
  command_.clear();
  protocol::append_command(command_, protocol::Command::stmt_prepare, asked.workload->sql());
  write_all(command_);
  protocol::Buffer payload;
  read_packet(payload);
  const auto ok = protocol::decode_prepare_ok(payload, capabilities_);
  if (!ok) {
    const auto refusal = protocol::decode_err(payload);
    throw ConnectError("prepare failed: " +
                       (refusal ? std::string(refusal->message) : ok.error().message()));
  }
  if (ok->parameters != asked.workload->parameters())
    throw ConnectError("the statement has another number of parameters than of question marks");
  asked.statement = ok->statement_id;
  const bool ends = (capabilities_ & protocol::capability::deprecate_eof) == 0;
  unsigned packets = ok->parameters + ok->columns;
  if (ends) packets += (ok->parameters > 0 ? 1U : 0U) + (ok->columns > 0 ? 1U : 0U);
  while (packets-- > 0) read_packet(payload);
}

bool Connection::send(Clock::time_point due, std::size_t workload) {
  Asked& asked = asked_[workload];
  workload_ = workload;
  if (asked.workload->protocol() == Protocol::text) {
    asked.workload->make_query(command_);
  } else {
    asked.workload->make_execute(command_, asked.statement, asked.types);
    asked.types = Workload::Types::known;
  }
  due_ = due;
  tracker_.reset(kind_, capabilities_);
  // A command is far smaller than a socket's buffer, which is empty now: it goes in whole.
  busy_ = socket_.write(command_) == static_cast<ssize_t>(command_.size());
  return busy_;
}

Connection::Outcome Connection::receive(std::span<std::uint8_t> scratch) {
  for (;;) {
    const Outcome outcome = receive_once(scratch);
    if (outcome != Outcome::pending || !socket_.more_inside()) return outcome;
  }
}

Connection::Outcome Connection::receive_once(std::span<std::uint8_t> scratch) {
  std::copy(carried_.begin(), carried_.end(), scratch.begin());
  const std::span<std::uint8_t> room = scratch.subspan(carried_.size());
  const ssize_t got = socket_.read(room);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::pending;
  if (got <= 0) {
    return lost(got == 0 ? "connection closed by the peer" : errno_text("recv"));
  }
  Bytes unread = scratch.first(carried_.size() + static_cast<std::size_t>(got));
  carried_.clear();
  if (!busy_) {
    note_error(unread);
    return lost(error_);
  }
  using What = protocol::ResponseTracker::Step::What;
  while (!tracker_.done()) {
    const auto step = tracker_.next(unread);
    if (!step || step->what == What::local_infile || step->size > scratch.size()) {
      return lost(step ? "a reply that no statement of ours has" : step.error().message());
    }
    if (step->what == What::need_more) {
      carried_.assign(unread.begin(), unread.end());
      return Outcome::pending;
    }
    if (step->packet == protocol::ResponseTracker::Packet::err) note_error(unread);
    unread = unread.subspan(step->size);
  }
  busy_ = false;
  return tracker_.in_error() ? Outcome::refused : Outcome::replied;
}

Connection::Outcome Connection::lost(std::string why) {
  busy_ = false;
  error_ = std::move(why);
  return Outcome::lost;
}

void Connection::note_error(Bytes packet) {
  error_ = "bytes that answer no command";
  if (packet.size() < protocol::packet_header_size) return;
  const auto header = protocol::decode_header(packet.data());
  packet = packet.subspan(protocol::packet_header_size);
  const auto refusal =
      protocol::decode_err(packet.first(std::min<std::size_t>(header.payload_size, packet.size())));
  if (refusal) error_ = std::to_string(refusal->code) + " " + std::string(refusal->message);
}

void Connection::write_all(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = socket_.write(bytes);
    if (sent <= 0) throw ConnectError(errno_text("send"));
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

protocol::PacketHeader Connection::read_packet(protocol::Buffer& payload) {
  std::uint8_t raw[protocol::packet_header_size];
  read_exactly(raw, sizeof(raw));
  const protocol::PacketHeader header = protocol::decode_header(raw);
  if (header.payload_size > protocol::max_login_payload)
    throw ConnectError("a packet too large for a login");
  payload.resize(header.payload_size);
  read_exactly(payload.data(), payload.size());
  return header;
}

void Connection::read_exactly(std::uint8_t* where, std::size_t size) {
  while (size > 0) {
    const ssize_t got = socket_.read({where, size});
    if (got == 0) throw ConnectError("connection closed by the peer");
    if (got < 0) throw ConnectError(errno_text("recv"));
    where += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace sluice::load
