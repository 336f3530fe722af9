/// A sink that writes down what a link told it.
#pragma once

#include <string>
#include <vector>

#include "proxy/link.hpp"

namespace sluice::proxy {

class RecordingSink final : public ReplySink {
 public:
  void on_bytes(ExchangeTag tag, protocol::Bytes bytes) override {
    note(tag, "bytes");
    passed.insert(passed.end(), bytes.begin(), bytes.end());
  }
  void on_packet(ExchangeTag tag, protocol::ResponseTracker::Packet kind, protocol::Bytes packet,
                 const protocol::OkPacket* ok, bool last) override {
    using Kind = protocol::ResponseTracker::Packet;
    std::string word = kind == Kind::ok    ? "ok"
                       : kind == Kind::err ? "err"
                       : kind == Kind::eof ? "eof"
                                           : "prepare_ok";
    if (kind == Kind::ok && ok == nullptr) word += " unreadable";
    note(tag, last ? word + " last" : word);
    passed.insert(passed.end(), packet.begin(), packet.end());
  }
  void on_infile(ExchangeTag tag, protocol::Bytes) override { note(tag, "infile"); }
  void on_end(ExchangeTag tag, const protocol::ResponseTracker&, error_code error) override {
    note(tag, error ? "lost" : "end");
    ++ended;
    last_error = error;
  }
  [[nodiscard]] bool saturated() const noexcept override { return full; }

  std::vector<std::string> log;  ///< "tag: event"
  protocol::Buffer passed;
  std::size_t ended = 0;
  error_code last_error;
  bool full = false;

 private:
  void note(ExchangeTag tag, const std::string& event) {
    log.push_back(std::to_string(tag) + ": " + event);
  }
};

}  // namespace sluice::proxy
