/// What the data plane pays for knowing where replies end.
///
/// packet_walk has to stay above 5 GB/s on rows of 1 KiB: the walk must never be
/// what limits a big result.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "protocol/command.hpp"
#include "protocol/packet.hpp"
#include "protocol/response.hpp"
#include "protocol/response_tracker.hpp"
#include "protocol/resultset.hpp"

namespace {

using namespace sluice::protocol;

constexpr Capabilities modern =
    capability::protocol_41 | capability::deprecate_eof | capability::session_track;

/// As much as one read from a socket brings.
constexpr std::size_t chunk = 64 * 1024;

/// Rows without an end, walked in chunks cut wherever they fall. A multiple of
/// 256 rows, so that the sequence numbers meet when the buffer starts again.
void packet_walk(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'x');
  const auto rows = static_cast<std::size_t>(state.range(1));
  Buffer payload;
  Writer(payload).lenenc_text(value);
  Buffer stream;
  std::uint8_t sequence = 1;
  for (std::size_t i = 0; i < rows; ++i) sequence = append_packet(stream, payload, sequence);

  ResponseTracker tracker(ReplyKind::fetch, modern);
  std::size_t begin = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Bytes unread = Bytes(stream).subspan(begin, std::min(chunk, stream.size() - begin));
    const Result<ResponseTracker::Step> step = tracker.next(unread);
    if (!step || step->what != ResponseTracker::Step::What::forward) {
      state.SkipWithError("the walk stopped");
      break;
    }
    bytes += step->size;
    begin += step->size;
    if (begin == stream.size()) begin = 0;
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(packet_walk)
    ->ArgNames({"row", "rows"})
    ->Args({1024, 256})
    ->Args({1024, 64 * 256})
    ->Args({64, 16 * 256})
    ->Args({16, 16 * 256});

void track_ok(benchmark::State& state) {
  Buffer reply;
  append_ok(reply, {.affected_rows = 1, .status = status::autocommit}, modern, 1);
  ResponseTracker tracker;
  for (auto _ : state) {
    tracker.reset(ReplyKind::query, modern);
    benchmark::DoNotOptimize(tracker.next(reply));
  }
}
BENCHMARK(track_ok);

/// The reply to a primary-key SELECT of one column.
void track_one_row(benchmark::State& state) {
  Buffer reply;
  ResultSetWriter set(reply, modern, RowFormat::text);
  set.columns(std::vector<ResultSetWriter::Column>{{"c", ResultSetWriter::Type::text, true}});
  set.row(std::vector<ResultSetWriter::Cell>{std::string(120, 'x')});
  set.finish(status::autocommit);
  ResponseTracker tracker;
  for (auto _ : state) {
    tracker.reset(ReplyKind::query, modern);
    for (Bytes unread = reply; !tracker.done();) {
      const Result<ResponseTracker::Step> step = tracker.next(unread);
      if (!step) return state.SkipWithError("the walk stopped");
      unread = unread.subspan(step->size);
    }
    benchmark::DoNotOptimize(tracker.rows());
  }
}
BENCHMARK(track_one_row);

void decode_query(benchmark::State& state) {
  Buffer command;
  append_command(command, Command::query, "SELECT c FROM sbtest1 WHERE id = 5001", modern);
  const Bytes payload = Bytes(command).subspan(packet_header_size);
  for (auto _ : state) benchmark::DoNotOptimize(decode_command(payload, modern));
}
BENCHMARK(decode_query);

}  // namespace

BENCHMARK_MAIN();
