/// How long the classifier, the fingerprint and the table of digests take: per
/// short statement, and per byte of long ones.
#include <benchmark/benchmark.h>

#include <string>

#include "routing/digest.hpp"
#include "routing/digest_table.hpp"
#include "routing/statement.hpp"

namespace sluice::routing {
namespace {

void run(benchmark::State& state, const std::string& sql) {
  const Dialect dialect;
  for (auto _ : state) {
    benchmark::DoNotOptimize(classify(sql, dialect));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(sql.size()));
  state.counters["bytes"] = static_cast<double>(sql.size());
}

void Classify60Bytes(benchmark::State& state) {
  run(state, "SELECT c, pad FROM sbtest1 WHERE id = 123456 AND k < 9876543");
}
BENCHMARK(Classify60Bytes);

void ClassifyPointSelect(benchmark::State& state) {
  run(state, "SELECT c FROM sbtest1 WHERE id=12345");
}
BENCHMARK(ClassifyPointSelect);

void ClassifyFunctions(benchmark::State& state) {
  run(state, "SELECT COUNT(*), MAX(a), COALESCE(b, 0) FROM t WHERE d > NOW()");
}
BENCHMARK(ClassifyFunctions);

void ClassifyExecutableComment(benchmark::State& state) {
  run(state, "SELECT /*!40001 SQL_NO_CACHE */ * FROM `orders` WHERE 1 = 1");
}
BENCHMARK(ClassifyExecutableComment);

void ClassifyBegin(benchmark::State& state) { run(state, "BEGIN"); }
BENCHMARK(ClassifyBegin);

void ClassifySet(benchmark::State& state) {
  run(state, "SET NAMES utf8mb4, autocommit=1, sql_mode='STRICT_TRANS_TABLES'");
}
BENCHMARK(ClassifySet);

/// What an ORM writes: many columns, quoted, with aliases.
void ClassifyOrm4KiB(benchmark::State& state) {
  std::string sql = "SELECT ";
  for (int i = 0; sql.size() < 4000; ++i) {
    sql += "`t0`.`column_" + std::to_string(i) + "` AS `t0_c" + std::to_string(i) + "`, ";
  }
  run(state, sql + "1 FROM `table` AS `t0` WHERE `t0`.`id` = ?");
}
BENCHMARK(ClassifyOrm4KiB);

void ClassifyBulkInsert1MiB(benchmark::State& state) {
  std::string sql = "INSERT INTO t (a, b, c) VALUES ";
  while (sql.size() < (1U << 20)) sql += "(12345, 'a string of some length', 67.89),";
  sql.back() = ' ';
  run(state, sql);
}
BENCHMARK(ClassifyBulkInsert1MiB);

void ClassifyBlob1MiB(benchmark::State& state) {
  run(state, "INSERT INTO t (a) VALUES ('" + std::string(1U << 20, 'x') + "')");
}
BENCHMARK(ClassifyBlob1MiB);

void run_digest(benchmark::State& state, const std::string& sql) {
  const Dialect dialect;
  for (auto _ : state) {
    benchmark::DoNotOptimize(digest(sql, dialect));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(sql.size()));
  state.counters["bytes"] = static_cast<double>(sql.size());
}

void Digest60Bytes(benchmark::State& state) {
  run_digest(state, "SELECT c, pad FROM sbtest1 WHERE id = 123456 AND k < 9876543");
}
BENCHMARK(Digest60Bytes);

void DigestPointSelect(benchmark::State& state) {
  run_digest(state, "SELECT c FROM sbtest1 WHERE id=12345");
}
BENCHMARK(DigestPointSelect);

void DigestListOf100(benchmark::State& state) {
  std::string sql = "SELECT c FROM sbtest1 WHERE id IN (1";
  for (int i = 2; i <= 100; ++i) sql += ", " + std::to_string(i * 1000);
  run_digest(state, sql + ")");
}
BENCHMARK(DigestListOf100);

/// What a shared read asks of the table: may it, and what did it cost. 1,000
/// digests in turn, all known.
void DigestTableVerdictAndObserve(benchmark::State& state) {
  DigestTable table(4U << 20, 3);
  const Dialect dialect;
  const TimePoint now{};
  const DigestSample sample{.backend = 1, .micros = 100, .bytes = 200, .failed = false};
  for (Digest d = 1; d <= 1000; ++d) table.observe(d, sample, "SELECT 1", dialect);
  Digest next = 0;
  for (auto _ : state) {
    next = next % 1000 + 1;
    benchmark::DoNotOptimize(table.verdict(next, 1, now));
    table.observe(next, sample, "SELECT 1", dialect);
  }
}
BENCHMARK(DigestTableVerdictAndObserve);

}  // namespace
}  // namespace sluice::routing
