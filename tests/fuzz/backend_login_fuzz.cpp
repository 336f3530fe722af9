// A hostile backend: whatever it sends, the login ends, and the password leaves
// in clear over a secure channel only.

#include <algorithm>
#include <cstdlib>

#include "protocol/backend_login.hpp"

using namespace sluice::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view password = "correct horse battery";
  Reader in(Bytes(data, size));
  const std::uint8_t shape = in.int1();
  BackendLoginParams params;
  params.user = "app";
  params.password = Secret(password);
  if ((shape & 1) != 0) params.schema = "shop";
  params.tls = (shape & 2) != 0 ? TlsWish::prefer : TlsWish::off;
  params.channel = (shape & 4) != 0 ? Channel::unix_socket : Channel::plain;
  params.wanted = result_shaping_capabilities;
  if ((shape & 8) != 0) params.key_retrieval = KeyRetrieval::forbidden;

  BackendLogin login(std::move(params));
  Want want = login.start();
  std::uint8_t sequence = 0;
  // A greeting that is right, half of the time, to get beyond it.
  if ((shape & 16) != 0) {
    Greeting greeting;
    greeting.capabilities = ~Capabilities{0};
    greeting.auth_plugin = (shape & 32) != 0 ? auth_plugin::native : auth_plugin::caching_sha2;
    Buffer payload;
    encode_greeting(greeting, payload);
    want = login.on_packet(payload, sequence++);
  }
  for (;;) {
    switch (want) {
      case Want::write: {
        const std::string_view sent = as_text(login.outgoing());
        if (!is_secure(login.facts().channel) && sent.find(password) != std::string_view::npos)
          std::abort();
        ++sequence;
        want = login.on_written();
        break;
      }
      case Want::start_tls: want = login.on_tls(); break;
      case Want::read: {
        if (in.empty()) return 0;
        const std::size_t length = in.int1();
        want = login.on_packet(in.take(std::min(length, in.rest().size())), sequence++);
        break;
      }
      case Want::failed:
        if (!login.error() || !login.outgoing().empty()) std::abort();
        return 0;
      case Want::done: return 0;
    }
  }
}
