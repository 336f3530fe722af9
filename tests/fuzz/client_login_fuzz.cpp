// A hostile client: whatever packets it sends, it is never let in, and the
// machine ends or waits.

#include <cstdlib>

#include "protocol/client_login.hpp"

using namespace sluice::protocol;

namespace {

class NobodyGetsIn : public Accounts {
 public:
  Verifier find(std::string_view user) const override {
    Verifier verifier;
    if (user.starts_with('n')) verifier.native = NativeHash{1, 2, 3};
    if (user.starts_with('s')) verifier.sha2 = Sha2Hash{1, 2, 3};
    if (user.starts_with('b')) verifier.sha2_crypt = "no hash at all";
    return verifier;
  }
};

/// Packets are a byte of length and so many bytes; the sequence is right.
Want feed(ClientLogin& login, Want want, Reader& in, std::uint8_t sequence) {
  for (;;) {
    switch (want) {
      case Want::write:
        ++sequence;
        want = login.on_written();
        break;
      case Want::start_tls: want = login.on_tls(); break;
      case Want::read: {
        if (in.empty()) return want;
        const std::size_t size = in.int1();
        const Bytes rest = in.rest();
        want = login.on_packet(in.take(size < rest.size() ? size : rest.size()), sequence++);
        break;
      }
      default: return want;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const RsaKey key = *RsaKey::generate(1024);
  const NobodyGetsIn accounts;
  Reader in(Bytes(data, size));
  const std::uint8_t shape = in.int1();
  ClientLoginParams params;
  params.greeting.auth_plugin = (shape & 1) != 0 ? auth_plugin::native : auth_plugin::caching_sha2;
  params.greeting.capabilities =
      capability::connect_with_db | capability::connect_attrs | capability::plugin_auth_lenenc_data;
  params.greeting.nonce.fill('n');
  params.tls = (shape & 2) != 0 ? ClientTls::offered : ClientTls::off;
  params.channel = (shape & 4) != 0 ? Channel::unix_socket : Channel::plain;
  if ((shape & 8) != 0) params.rsa_key = &key;
  if ((shape & 16) != 0) params.full_authentication = FullAuthentication::always;

  ClientLogin login(std::move(params), accounts);
  Want last = Want::read;
  if ((shape & 32) != 0) {
    ClientIdentity before;
    before.capabilities = capability::protocol_41 | capability::secure_connection |
                          capability::plugin_auth | capability::connect_attrs;
    const std::size_t first = in.int1();
    const Bytes payload = in.take(first < in.rest().size() ? first : in.rest().size());
    last = feed(login, login.start_change_user(payload, 0, before), in, 1);
  } else {
    last = feed(login, login.start(), in, 0);
  }
  if (last == Want::done) std::abort();
  if (last == Want::failed && (login.outgoing().empty() || !login.error())) std::abort();
  return 0;
}
