/// What a backend sends in answer to a command, cut as the input says: the
/// tracker must stay in bounds and must not care where it was cut.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "protocol/response_tracker.hpp"

using namespace sluice::protocol;

namespace {

struct Facts {
  bool done = false;
  bool failed = false;
  std::size_t passed = 0;
  std::uint64_t rows = 0;
  std::uint16_t status = 0;
  bool operator==(const Facts&) const = default;
};

Facts walk(ReplyKind kind, Capabilities capabilities, Bytes reply, std::size_t step) {
  Facts facts;
  ResponseTracker tracker(kind, capabilities);
  std::size_t end = std::min(step, reply.size());
  while (!tracker.done()) {
    // In an allocation of its own, so that a read past the end is seen.
    const std::vector<std::uint8_t> unread(
        reply.begin() + static_cast<std::ptrdiff_t>(facts.passed),
        reply.begin() + static_cast<std::ptrdiff_t>(end));
    const Result<ResponseTracker::Step> next = tracker.next(unread);
    if (!next) {
      facts.failed = true;
      break;
    }
    if (next->what == ResponseTracker::Step::What::need_more) {
      if (next->size <= unread.size()) std::abort();
      if (end == reply.size()) break;
      end = std::min(end + step, reply.size());
      continue;
    }
    if (next->size == 0 || next->size > unread.size()) std::abort();
    facts.passed += next->size;
    if (tracker.awaits_infile()) tracker.infile_sent(tracker.next_sequence());
  }
  facts.done = tracker.done();
  facts.rows = tracker.rows();
  facts.status = tracker.status();
  return facts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto kind = static_cast<ReplyKind>(data[0] % 8);
  Capabilities capabilities = capability::protocol_41;
  if ((data[1] & 1) != 0) capabilities |= capability::deprecate_eof;
  if ((data[1] & 2) != 0) capabilities |= capability::optional_resultset_metadata;
  if ((data[1] & 4) != 0) capabilities |= capability::mariadb_cache_metadata;

  // Inputs hit more when sequence numbers are right: three times of four they
  // are put right, packet by packet.
  std::vector<std::uint8_t> reply(data + 3, data + size);
  std::uint8_t sequence = 1;
  for (std::size_t at = 0; (data[1] & 0x18) != 0 && at + 4 <= reply.size();) {
    reply[at + 3] = sequence++;
    at += 4U + reply[at] + (std::size_t{reply[at + 1]} << 8) + (std::size_t{reply[at + 2]} << 16);
  }
  const Facts whole = walk(kind, capabilities, reply, reply.size() + 1);
  if (walk(kind, capabilities, reply, std::size_t{data[2]} % 16 + 1) != whole) std::abort();
  return 0;
}
