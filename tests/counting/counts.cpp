/// Counts what a program asks of the kernel and of the allocator, by thread.
///
/// Preloaded (LD_PRELOAD), it stands in for malloc and its kin and for the system
/// calls of a network program, and counts in the file that SLUICE_COUNTS names,
/// which others may map and read at any time. Reads and writes are told apart by
/// what they are on: a connection that was accepted, one that was made, or
/// anything else. Cheap enough to leave the timing as it is.
///
/// File: 64 slots of 32 numbers (64 bits, native order), a slot a thread: its id,
/// then the counts in the order of `Count`; tests/support/counts.py reads them.
/// Source of the __libc_ names: glibc's malloc.c, which exports them for this use.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tests/counting/sites.hpp"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

enum Count : unsigned {
  thread,
  allocations,
  allocated_bytes,
  frees,
  epoll_waits,
  epoll_changes,
  timer_sets,
  accepted_reads,  // the same six for each kind of descriptor, in the order of Kind
  accepted_writes,
  accepted_in_vain,  // reads that found nothing, writes that found no room
  made_reads,
  made_writes,
  made_in_vain,
  other_reads,
  other_writes,
  other_in_vain,
};

enum class Kind : std::uint8_t { other, accepted, made };

constexpr std::size_t slot_count = 64;
constexpr std::size_t slot_size = 32;
using Slot = std::array<std::uint64_t, slot_size>;

Slot unnamed[slot_count];
Slot* slots = unnamed;
std::atomic<unsigned> slots_taken{0};
thread_local Slot* mine = nullptr;
std::atomic<Kind> kinds[1 << 16];

void count(Count what, std::uint64_t times = 1) {
  if (mine == nullptr) {
    const unsigned taken = slots_taken.fetch_add(1, std::memory_order_relaxed);
    mine = &slots[taken < slot_count ? taken : slot_count - 1];
    (*mine)[thread] = static_cast<std::uint64_t>(syscall(SYS_gettid));
  }
  // One thread writes, others only look.
  std::atomic_ref<std::uint64_t> at((*mine)[what]);
  at.store(at.load(std::memory_order_relaxed) + times, std::memory_order_relaxed);
}

void note(long descriptor, Kind kind) {
  if (descriptor >= 0 && descriptor < (1 << 16))
    kinds[descriptor].store(kind, std::memory_order_relaxed);
}

Kind kind_of(int descriptor) {
  return descriptor >= 0 && descriptor < (1 << 16)
             ? kinds[descriptor].load(std::memory_order_relaxed)
             : Kind::other;
}

enum class Way : unsigned { in, out };

ssize_t moved(int descriptor, Way way, ssize_t result) {
  const Kind kind = kind_of(descriptor);
  const unsigned first = kind == Kind::accepted ? accepted_reads
                         : kind == Kind::made   ? made_reads
                                                : other_reads;
  const int error = errno;
  count(static_cast<Count>(first + static_cast<unsigned>(way)));
  if (result < 0 && (error == EAGAIN || error == EWOULDBLOCK)) count(static_cast<Count>(first + 2));
  errno = error;
  return result;
}

void count_allocation(std::size_t size) {
  count(allocations);
  count(allocated_bytes, size);
}

[[gnu::constructor]] void open_file() {
  sluice::counting::open_sites();
  const char* path = std::getenv("SLUICE_COUNTS");
  if (path == nullptr) return;
  const int file = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(unnamed)) != 0) return;
  void* place = ::mmap(nullptr, sizeof(unnamed), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (place == MAP_FAILED) return;
  slots = static_cast<Slot*>(place);
  slots_taken = 0;
  mine = nullptr;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  count_allocation(size);
  sluice::counting::note_site(size);
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count_allocation(number * size);
  sluice::counting::note_site(number * size);
  return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
  count_allocation(size);
  sluice::counting::note_site(size);
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count_allocation(size);
  sluice::counting::note_site(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** place, std::size_t alignment, std::size_t size) {
  void* made = memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *place = made;
  return 0;
}
void free(void* place) {
  if (place == nullptr) return;
  count(frees);
  __libc_free(place);
}

ssize_t read(int fd, void* to, std::size_t size) {
  return moved(fd, Way::in, syscall(SYS_read, fd, to, size));
}
ssize_t readv(int fd, const iovec* parts, int number) {
  return moved(fd, Way::in, syscall(SYS_readv, fd, parts, number));
}
ssize_t recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* length) {
  return moved(fd, Way::in, syscall(SYS_recvfrom, fd, to, size, flags, from, length));
}
ssize_t recv(int fd, void* to, std::size_t size, int flags) {
  return recvfrom(fd, to, size, flags, nullptr, nullptr);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return moved(fd, Way::in, syscall(SYS_recvmsg, fd, message, flags));
}
ssize_t write(int fd, const void* from, std::size_t size) {
  return moved(fd, Way::out, syscall(SYS_write, fd, from, size));
}
ssize_t writev(int fd, const iovec* parts, int number) {
  return moved(fd, Way::out, syscall(SYS_writev, fd, parts, number));
}
ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to,
               socklen_t length) {
  return moved(fd, Way::out, syscall(SYS_sendto, fd, from, size, flags, to, length));
}
ssize_t send(int fd, const void* from, std::size_t size, int flags) {
  return sendto(fd, from, size, flags, nullptr, 0);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return moved(fd, Way::out, syscall(SYS_sendmsg, fd, message, flags));
}

int socket(int domain, int type, int protocol) {
  const long fd = syscall(SYS_socket, domain, type, protocol);
  note(fd, Kind::other);
  return static_cast<int>(fd);
}
int connect(int fd, const sockaddr* to, socklen_t length) {
  note(fd, Kind::made);
  return static_cast<int>(syscall(SYS_connect, fd, to, length));
}
int accept4(int fd, sockaddr* from, socklen_t* length, int flags) {
  const long made = syscall(SYS_accept4, fd, from, length, flags);
  note(made, Kind::accepted);
  return static_cast<int>(made);
}
int accept(int fd, sockaddr* from, socklen_t* length) { return accept4(fd, from, length, 0); }

int epoll_pwait(int fd, epoll_event* events, int most, int timeout, const sigset_t* mask) {
  count(epoll_waits);
  return static_cast<int>(
      syscall(SYS_epoll_pwait, fd, events, most, timeout, mask, std::size_t{8}));
}
int epoll_wait(int fd, epoll_event* events, int most, int timeout) {
  return epoll_pwait(fd, events, most, timeout, nullptr);
}
int epoll_ctl(int fd, int change, int on, epoll_event* event) noexcept {
  count(epoll_changes);
  return static_cast<int>(syscall(SYS_epoll_ctl, fd, change, on, event));
}
int timerfd_settime(int fd, int flags, const itimerspec* at, itimerspec* old) noexcept {
  count(timer_sets);
  return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, at, old));
}

}  // extern "C"
