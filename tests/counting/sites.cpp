#include "tests/counting/sites.hpp"

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace sluice::counting {
namespace {

constexpr std::size_t entry_count = 4096;
constexpr int depth = 13;
constexpr int own_frames = 2;  // note_site() and malloc()

struct Entry {
  std::atomic<std::uint64_t> hash;
  std::atomic<std::uint64_t> times;
  std::atomic<std::uint64_t> bytes;
  std::array<std::uint64_t, depth> frames;
};
static_assert(sizeof(Entry) == 128);

struct File {
  std::uint64_t base;
  std::atomic<std::uint64_t> homeless;
  std::array<Entry, entry_count> entries;
};

std::atomic<File*> file{nullptr};
thread_local bool unwinding = false;  // backtrace() allocates when it is called first

int note_base(dl_phdr_info* info, std::size_t, void* into) {
  *static_cast<std::uint64_t*>(into) = info->dlpi_addr;
  return 1;  // the first is the program itself
}

}  // namespace

void open_sites() noexcept {
  const char* path = std::getenv("SLUICE_SITES");
  if (path == nullptr) return;
  const int opened = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (opened < 0 || ::ftruncate(opened, sizeof(File)) != 0) return;
  void* place = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
  ::close(opened);
  if (place == MAP_FAILED) return;
  auto* made = static_cast<File*>(place);
  dl_iterate_phdr(note_base, &made->base);
  file.store(made, std::memory_order_release);
}

void note_site(std::size_t bytes) noexcept {
  File* sites = file.load(std::memory_order_acquire);
  if (sites == nullptr || unwinding) return;
  unwinding = true;
  std::array<void*, depth + own_frames> stack{};
  const int found = backtrace(stack.data(), static_cast<int>(stack.size()));
  unwinding = false;
  std::uint64_t hash = 1469598103934665603ULL;
  for (int i = own_frames; i < found; ++i)
    hash = (hash ^ reinterpret_cast<std::uint64_t>(stack[static_cast<std::size_t>(i)])) *
           0x9E3779B97F4A7C15ULL;
  hash |= 1;
  for (std::size_t probe = 0; probe < 64; ++probe) {
    Entry& entry = sites->entries[(hash >> 32U) + probe & (entry_count - 1)];
    std::uint64_t free = 0;
    if (entry.hash.compare_exchange_strong(free, hash)) {
      for (int i = own_frames; i < found; ++i)
        entry.frames[static_cast<std::size_t>(i - own_frames)] =
            reinterpret_cast<std::uint64_t>(stack[static_cast<std::size_t>(i)]);
    } else if (free != hash) {
      continue;
    }
    entry.times.fetch_add(1, std::memory_order_relaxed);
    entry.bytes.fetch_add(bytes, std::memory_order_relaxed);
    return;
  }
  sites->homeless.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::counting
