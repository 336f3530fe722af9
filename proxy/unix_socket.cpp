#include "proxy/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::proxy {

void remove_stale_socket(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int connected = ::connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const bool refused = connected != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (refused) ::unlink(path.c_str());
}

}  // namespace sluice::proxy
