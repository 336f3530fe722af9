#include "bench/load/connection.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/backend_login.hpp"
#include "protocol/command.hpp"
#include "protocol/response.hpp"

namespace sluice::load {

namespace {

using protocol::Bytes;
using protocol::Want;

std::string errno_text(const std::string& doing) { return doing + ": " + std::strerror(errno); }

/// What client libraries of today ask for.
constexpr protocol::Capabilities wanted =
    protocol::capability::transactions | protocol::capability::multi_results |
    protocol::capability::ps_multi_results | protocol::capability::session_track |
    protocol::capability::deprecate_eof;

/// Nobody should wait longer for a login, and for ever for none.
constexpr timeval login_patience{30, 0};

}  // namespace

Connection::Connection(const Options& options, Workload& workload) : workload_(workload) {
  try {
    connect(options);
    log_in(options);
    if (workload_.protocol() == Protocol::prepared) prepare();
    if (fcntl(descriptor_, F_SETFL, O_NONBLOCK) != 0) throw ConnectError(errno_text("fcntl"));
  } catch (...) {
    if (descriptor_ >= 0) close(descriptor_);
    throw;
  }
}

Connection::~Connection() {
  if (!busy_) {
    command_.clear();
    protocol::append_command(command_, protocol::Command::quit);
    // Best effort: the peer learns of our end by the close too.
    [[maybe_unused]] const ssize_t sent =
        ::send(descriptor_, command_.data(), command_.size(), MSG_NOSIGNAL);
  }
  close(descriptor_);
}

void Connection::connect(const Options& options) {
  sockaddr_storage address{};
  socklen_t size = 0;
  if (!options.unix_path.empty()) {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    if (options.unix_path.size() >= sizeof(path.sun_path)) throw ConnectError("path is too long");
    std::memcpy(path.sun_path, options.unix_path.data(), options.unix_path.size());
    std::memcpy(&address, &path, sizeof(path));
    size = sizeof(path);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found);
    if (code != 0) throw ConnectError(options.host + ": " + gai_strerror(code));
    std::memcpy(&address, found->ai_addr, found->ai_addrlen);
    size = found->ai_addrlen;
    freeaddrinfo(found);
  }
  descriptor_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) throw ConnectError(errno_text("socket"));
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0)
    throw ConnectError(errno_text("connect"));
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &login_patience, sizeof(login_patience));
  const int on = 1;
  if (address.ss_family != AF_UNIX)
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void Connection::log_in(const Options& options) {
  protocol::BackendLoginParams params;
  params.user = options.user;
  params.password = protocol::Secret(options.password);
  params.schema = options.schema;
  params.wanted = wanted;
  params.tls = protocol::TlsWish::off;
  if (!options.unix_path.empty()) params.channel = protocol::Channel::unix_socket;
  params.attributes = {{"_client_name", "sluice_load"}, {"program_name", "sluice_load"}};
  protocol::BackendLogin login(std::move(params));
  protocol::Buffer payload;
  Want want = login.start();
  while (want != Want::done) {
    if (want == Want::read) {
      const protocol::PacketHeader header = read_packet(payload);
      want = login.on_packet(payload, header.sequence);
    } else if (want == Want::write) {
      write_all(login.outgoing());
      want = login.on_written();
    } else {
      throw ConnectError("login failed: " +
                         (login.refusal() ? login.refusal()->message : login.error().message()));
    }
  }
  capabilities_ = login.facts().capabilities;
}

void Connection::prepare() {
  kind_ = protocol::ReplyKind::execute;
  command_.clear();
  protocol::append_command(command_, protocol::Command::stmt_prepare, workload_.sql());
  write_all(command_);
  protocol::Buffer payload;
  read_packet(payload);
  const auto ok = protocol::decode_prepare_ok(payload, capabilities_);
  if (!ok) {
    const auto refusal = protocol::decode_err(payload);
    throw ConnectError("prepare failed: " +
                       (refusal ? std::string(refusal->message) : ok.error().message()));
  }
  if (ok->parameters != workload_.parameters())
    throw ConnectError("the statement has another number of parameters than of question marks");
  statement_ = ok->statement_id;
  const bool ends = (capabilities_ & protocol::capability::deprecate_eof) == 0;
  unsigned packets = ok->parameters + ok->columns;
  if (ends) packets += (ok->parameters > 0 ? 1U : 0U) + (ok->columns > 0 ? 1U : 0U);
  while (packets-- > 0) read_packet(payload);
}

bool Connection::send(Clock::time_point due) {
  if (workload_.protocol() == Protocol::text) {
    workload_.make_query(command_);
  } else {
    workload_.make_execute(command_, statement_, types_);
    types_ = Workload::Types::known;
  }
  due_ = due;
  tracker_.reset(kind_, capabilities_);
  // A command is far smaller than a socket's buffer, which is empty now: it goes in whole.
  const ssize_t sent = ::send(descriptor_, command_.data(), command_.size(), MSG_NOSIGNAL);
  busy_ = sent == static_cast<ssize_t>(command_.size());
  return busy_;
}

Connection::Outcome Connection::receive(std::span<std::uint8_t> scratch) {
  std::copy(carried_.begin(), carried_.end(), scratch.begin());
  const std::span<std::uint8_t> room = scratch.subspan(carried_.size());
  const ssize_t got = recv(descriptor_, room.data(), room.size(), 0);
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
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
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
    const ssize_t got = recv(descriptor_, where, size, 0);
    if (got == 0) throw ConnectError("connection closed by the peer");
    if (got < 0) throw ConnectError(errno_text("recv"));
    where += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace sluice::load
