#include "proxy/process_facts.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace sluice::proxy {
namespace {

std::uint64_t count_descriptors() {
  // Linux 6.2 and later count them for us; thousands of entries take milliseconds.
  struct stat counted {};
  if (::stat("/proc/self/fd", &counted) == 0 && counted.st_size > 0)
    return static_cast<std::uint64_t>(counted.st_size);
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> dir(::opendir("/proc/self/fd"), close);
  std::uint64_t count = 0;
  while (dir != nullptr) {
    const dirent* entry = ::readdir(dir.get());  // NOLINT(concurrency-mt-unsafe): own stream
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') ++count;
  }
  return count > 0 ? count - 1 : 0;  // opendir's own
}

// Does not change while the kernel runs.
double booted_at() {
  std::ifstream file("/proc/stat");
  double when = 0;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) std::istringstream(line.substr(6)) >> when;
  return when;
}

}  // namespace

ProcessFacts read_process_facts() {
  static const double boot = booted_at();
  static const auto tick = static_cast<double>(::sysconf(_SC_CLK_TCK));
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  ProcessFacts facts;
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // The second field, in brackets, may contain anything.
  const std::size_t bracket = text.rfind(')');
  if (bracket != std::string::npos) {
    std::istringstream fields(text.substr(bracket + 1));
    std::string skipped;
    double user = 0;
    double system = 0;
    double start = 0;
    std::uint64_t pages = 0;
    for (int i = 3; i <= 13; ++i) fields >> skipped;
    fields >> user >> system;                          // 14, 15
    for (int i = 16; i <= 19; ++i) fields >> skipped;  //
    fields >> facts.threads >> skipped >> start;       // 20, 21, 22
    fields >> facts.virtual_bytes >> pages;            // 23, 24
    facts.cpu_seconds = (user + system) / tick;
    facts.started_at = boot + start / tick;
    facts.resident_bytes = pages * page;
  }
  facts.open_fds = count_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    facts.max_fds = limit.rlim_cur;
  return facts;
}

}  // namespace sluice::proxy
