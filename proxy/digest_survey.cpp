#include "proxy/digest_survey.hpp"

#include <condition_variable>
#include <mutex>

namespace sluice::proxy {
namespace {

constexpr std::size_t most_rows = 1'000;
constexpr std::chrono::milliseconds patience{250};

/// Outlives the caller's wait: a late worker still finds it.
struct Survey {
  std::mutex mutex;
  std::condition_variable answered;
  std::vector<std::vector<routing::DigestRow>> answers;
};

}  // namespace

std::vector<routing::DigestRow> survey_digests(std::span<const std::unique_ptr<Worker>> workers) {
  const auto survey = std::make_shared<Survey>();
  for (const auto& worker : workers) {
    worker->visit_digests([survey](routing::DigestTable& table) {
      auto rows = table.rows(most_rows);
      const std::scoped_lock lock(survey->mutex);
      survey->answers.push_back(std::move(rows));
      survey->answered.notify_one();
    });
  }
  std::unique_lock lock(survey->mutex);
  // By the system's clock: ThreadSanitizer knows no other timed wait.
  survey->answered.wait_until(lock, std::chrono::system_clock::now() + patience,
                              [&] { return survey->answers.size() == workers.size(); });
  return routing::merge(std::exchange(survey->answers, {}));
}

}  // namespace sluice::proxy
