#include "bench/load/storm_run.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "protocol/command.hpp"
#include "protocol/response.hpp"

namespace sluice::load {
namespace {

using protocol::Bytes;
using protocol::Want;

constexpr std::chrono::seconds patience{1};
constexpr std::size_t scratch_size = 64 * 1024;

}  // namespace

Visit::Visit(const Options& options, Workload& workload)
    : workload_(workload),
      socket_(options, ClientSocket::Mode::connecting),
      login_(login_params(options)),
      want_(login_.start()) {}

Visit::Outcome Visit::receive(std::span<std::uint8_t> scratch) {
  const ssize_t got = socket_.read(scratch);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::pending;
  if (got <= 0)
    return fail(Outcome::lost, got == 0 ? "connection closed by the peer" : errno_text("recv"));
  received_.insert(received_.end(), scratch.begin(), scratch.begin() + got);
  if (!asked_) {
    const Outcome outcome = log_in_further();
    if (outcome != Outcome::pending || !asked_) return outcome;
  }
  return read_answer();
}

Visit::Outcome Visit::log_in_further() {
  while (want_ == Want::read) {
    if (received_.size() < protocol::packet_header_size) return Outcome::pending;
    const auto header = protocol::decode_header(received_.data());
    const std::size_t size = protocol::packet_header_size + header.payload_size;
    if (received_.size() < size) return Outcome::pending;
    const Bytes payload = Bytes(received_).first(size).subspan(protocol::packet_header_size);
    want_ = login_.on_packet(payload, header.sequence);
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(size));
    if (want_ != Want::write) continue;
    if (!write(login_.outgoing())) return fail(Outcome::lost, errno_text("send"));
    want_ = login_.on_written();
  }
  if (want_ != Want::done)
    return fail(Outcome::refused, login_.refusal() ? std::to_string(login_.refusal()->code) + " " +
                                                         login_.refusal()->message
                                                   : login_.error().message());
  protocol::Buffer command;
  workload_.make_query(command);
  if (!write(command)) return fail(Outcome::lost, errno_text("send"));
  asked_ = true;
  tracker_.reset(protocol::ReplyKind::query, login_.facts().capabilities);
  return Outcome::pending;
}

Visit::Outcome Visit::read_answer() {
  while (!received_.empty() && !tracker_.done()) {
    const auto step = tracker_.next(received_);
    if (!step) return fail(Outcome::lost, step.error().message());
    using What = protocol::ResponseTracker::Step::What;
    if (step->what == What::need_more) return Outcome::pending;
    if (step->packet == protocol::ResponseTracker::Packet::err) {
      const auto err = protocol::decode_err(
          Bytes(received_).first(step->size).subspan(protocol::packet_header_size));
      error_ = err ? std::to_string(err->code) + " " + std::string(err->message) : "an error";
    }
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(step->size));
  }
  if (!tracker_.done()) return Outcome::pending;
  return tracker_.in_error() ? Outcome::refused : Outcome::answered;
}

void Visit::quit() noexcept {
  protocol::Buffer command;
  protocol::append_command(command, protocol::Command::quit);
  [[maybe_unused]] const bool sent = write(command);
}

bool Visit::write(Bytes bytes) noexcept {
  // What a login sends is far smaller than a socket's empty buffer.
  return socket_.write(bytes) == static_cast<ssize_t>(bytes.size());
}

Visit::Outcome Visit::fail(Outcome how, std::string why) {
  error_ = std::move(why);
  return how;
}

StormRun::StormRun(const Options& options) : options_(options), workload_(options, options.sql) {}

StormRun::~StormRun() {
  if (epoll_ >= 0) close(epoll_);
}

Figures StormRun::run() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw ConnectError(errno_text("epoll_create1"));
  measure_from_ = Clock::now() + options_.warmup;
  measure_until_ = measure_from_ + options_.measured;
  last_success_ = Clock::now();
  visits_.resize(options_.connections);
  for (std::size_t place = 0; place < visits_.size(); ++place) begin(place);

  std::vector<std::uint8_t> scratch(scratch_size);
  epoll_event events[256];
  bool measuring = false;
  Usage before;
  for (;;) {
    Clock::time_point now = Clock::now();
    if (!measuring && now >= measure_from_) {
      measuring = true;
      measure_from_ = now;
      std::fputs("measuring\n", stderr);
      before = usage_now();
    }
    if (now >= measure_until_) break;
    if (now - last_success_ > patience && !figures_.first_error.empty())
      throw ConnectError("nobody is let in: " + figures_.first_error);
    const int ready = epoll_wait(epoll_, events, std::size(events), 20);
    if (ready < 0 && errno != EINTR) throw ConnectError(errno_text("epoll_wait"));
    for (int i = 0; i < ready; ++i) {
      const auto place = static_cast<std::size_t>(events[i].data.u64);
      const Visit::Outcome outcome = visits_[place]->receive(scratch);
      if (outcome != Visit::Outcome::pending) end(place, outcome, Clock::now());
    }
  }
  figures_.usage = usage_now() - before;
  std::fputs("measured\n", stderr);
  figures_.seconds = std::chrono::duration<double>(Clock::now() - measure_from_).count();
  return figures_;
}

void StormRun::begin(std::size_t place) {
  visits_[place] = std::make_unique<Visit>(options_, workload_);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = place;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, visits_[place]->descriptor(), &event) != 0)
    throw ConnectError(errno_text("epoll_ctl"));
}

void StormRun::end(std::size_t place, Visit::Outcome outcome, Clock::time_point now) {
  Visit& visit = *visits_[place];
  const bool answered = outcome == Visit::Outcome::answered;
  if (!answered && figures_.first_error.empty()) figures_.first_error = visit.error();
  if (now >= measure_from_ && now < measure_until_) {
    ++figures_.replies;
    ++(answered ? figures_.statements : figures_.errors);
    figures_.latency.record(now - visit.began());
  }
  if (answered) {
    last_success_ = now;
    visit.quit();
  }
  visits_[place].reset();
  begin(place);
}

}  // namespace sluice::load
