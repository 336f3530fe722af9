// The two logins against each other, in every combination, and then cut up.

#include <gtest/gtest.h>

#include "tests/protocol/login_stage.hpp"

namespace sluice::protocol {
namespace {

enum class Known { password, native_hash, sha2_hash, sha2_crypt, nothing };
enum class Path { plain, over_tls, unix_socket };

struct Scene {
  std::string_view plugin = auth_plugin::caching_sha2;
  Known known = Known::password;
  Path path = Path::plain;
  bool has_key = true;
  bool may_ask_for_key = true;
  bool forced = false;
  std::string account_password = "secret";
  std::string typed_password = "secret";
};

Verifier verifier_of(const Scene& scene) {
  Verifier verifier;
  switch (scene.known) {
    case Known::password: verifier.password = Secret(scene.account_password); break;
    case Known::native_hash: verifier.native = native_hash(scene.account_password); break;
    case Known::sha2_hash: verifier.sha2 = sha2_hash(scene.account_password); break;
    case Known::sha2_crypt:
      verifier.sha2_crypt = sha2_crypt(scene.account_password, "abcdefghijklmnopqrst", 1);
      break;
    case Known::nothing: break;
  }
  return verifier;
}

ClientLoginParams server_side(const Scene& scene) {
  ClientLoginParams params;
  params.greeting.server_version = "8.0.36-Sluice";
  params.greeting.connection_id = 7;
  params.greeting.nonce = some_nonce();
  params.greeting.capabilities = capability::long_password | capability::connect_with_db |
                                 capability::connect_attrs | capability::plugin_auth_lenenc_data |
                                 result_shaping_capabilities;
  params.greeting.auth_plugin = scene.plugin;
  params.tls = scene.path == Path::over_tls ? ClientTls::offered : ClientTls::off;
  params.channel = scene.path == Path::unix_socket ? Channel::unix_socket : Channel::plain;
  params.client_host = "10.0.0.9";
  params.rsa_key = scene.has_key ? &test_key() : nullptr;
  params.full_authentication =
      scene.forced ? FullAuthentication::always : FullAuthentication::when_needed;
  return params;
}

BackendLoginParams client_side(const Scene& scene) {
  BackendLoginParams params;
  params.user = "app";
  params.password = Secret(scene.typed_password);
  params.schema = "shop";
  params.wanted = capability::deprecate_eof | capability::session_track;
  params.channel = scene.path == Path::unix_socket ? Channel::unix_socket : Channel::plain;
  params.attributes = {{"program_name", "sluice"}};
  params.key_retrieval = scene.may_ask_for_key ? KeyRetrieval::allowed : KeyRetrieval::forbidden;
  return params;
}

/// The rule that the combinations are held against.
bool should_succeed(const Scene& scene) {
  if (scene.known == Known::nothing || scene.account_password != scene.typed_password) return false;
  if (scene.typed_password.empty()) return scene.known == Known::password;
  const bool secure = scene.path != Path::plain;
  const bool by_sha2 =
      scene.known == Known::sha2_hash || scene.known == Known::sha2_crypt ||
      (scene.known == Known::password && scene.plugin == auth_plugin::caching_sha2);
  const bool needs_full = scene.known == Known::sha2_crypt || (scene.forced && by_sha2);
  return secure || !needs_full || (scene.has_key && scene.may_ask_for_key);
}

std::string words(const Scene& scene) {
  return std::string(scene.plugin) + " known " + std::to_string(static_cast<int>(scene.known)) +
         " path " + std::to_string(static_cast<int>(scene.path)) + " key " +
         std::to_string(scene.has_key) + std::to_string(scene.may_ask_for_key) + " forced " +
         std::to_string(scene.forced) + " '" + scene.account_password + "' '" +
         scene.typed_password + "'";
}

std::vector<Scene> all_scenes() {
  std::vector<Scene> scenes;
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2})
    for (const Known known :
         {Known::password, Known::native_hash, Known::sha2_hash, Known::sha2_crypt, Known::nothing})
      for (const Path path : {Path::plain, Path::over_tls, Path::unix_socket})
        for (const unsigned flags : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U})
          for (const auto& [account, typed] : {std::pair{"secret", "secret"},
                                               {"secret", "wrong"},
                                               {"secret", ""},
                                               {"", ""},
                                               {"", "wrong"}})
            scenes.push_back({plugin, known, path, (flags & 1) != 0, (flags & 2) != 0,
                              (flags & 4) != 0, account, typed});
  return scenes;
}

TEST(Logins, UnderstandEachOtherInEveryCombination) {
  int successes = 0;
  for (const Scene& scene : all_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin server(server_side(scene), accounts);
    BackendLogin client(client_side(scene));
    const Duet duet = sing(server, client);
    const bool succeeded = duet.backend_side == Want::done;
    ASSERT_EQ(succeeded, should_succeed(scene)) << words(scene);
    successes += succeeded ? 1 : 0;
    if (succeeded) {
      ASSERT_EQ(duet.client_side, Want::done) << words(scene);
      EXPECT_EQ(server.identity().user, "app");
      EXPECT_EQ(server.identity().schema, "shop");
      EXPECT_EQ(server.identity().capabilities, client.facts().capabilities);
      EXPECT_EQ(server.identity().auth_plugin, client.facts().auth_plugin);
      EXPECT_EQ(server.identity().channel, client.facts().channel);
      EXPECT_EQ(client.facts().connection_id, 7U);
      if (server.identity().password) {
        EXPECT_EQ(server.identity().password->text(), scene.typed_password);
      }
    } else {
      ASSERT_EQ(duet.backend_side, Want::failed) << words(scene);
      ASSERT_NE(duet.client_side, Want::done) << words(scene);
      if (client.refusal()) {
        EXPECT_EQ(client.refusal()->code, server_error::access_denied);
      }
    }
  }
  EXPECT_GT(successes, 100);
}

/// The longest ways through both machines.
std::vector<Scene> sample_scenes() {
  Scene fast;
  Scene rsa;
  rsa.forced = true;
  Scene clear = rsa;
  clear.path = Path::over_tls;
  Scene switched;
  switched.known = Known::native_hash;
  Scene switched_to_rsa = rsa;
  switched_to_rsa.plugin = auth_plugin::native;
  switched_to_rsa.known = Known::sha2_crypt;
  return {fast, rsa, clear, switched, switched_to_rsa};
}

TEST(Logins, ThatEndAtAnyStepAreNotLogins) {
  for (const Scene& scene : sample_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin whole_server(server_side(scene), accounts);
    BackendLogin whole_client(client_side(scene));
    const int steps = sing(whole_server, whole_client).steps;
    ASSERT_GT(steps, 5);
    for (int limit = 0; limit < steps; ++limit) {
      ClientLogin server(server_side(scene), accounts);
      BackendLogin client(client_side(scene));
      const Duet duet = sing(server, client, limit);
      EXPECT_NE(duet.backend_side, Want::done) << words(scene) << " after " << limit;
    }
  }
}

TEST(Logins, WhoseClientStreamIsCutAreNotLogins) {
  for (const Scene& scene : sample_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin recorded(server_side(scene), accounts);
    BackendLogin client(client_side(scene));
    const Duet duet = sing(recorded, client);
    Buffer stream;
    for (const Packet& packet : duet.from_client)
      append_packet(stream, packet.payload, packet.sequence);
    for (std::size_t size = 0; size <= stream.size(); ++size) {
      ClientLogin server(server_side(scene), accounts);
      const Want last = play(server, server.start(), split(Bytes(stream).first(size)));
      EXPECT_EQ(last, size == stream.size() ? Want::done : Want::read) << words(scene) << size;
    }
  }
}

TEST(Logins, WhoseServerStreamIsCutAreNotLogins) {
  for (const Scene& scene : sample_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin server(server_side(scene), accounts);
    BackendLogin recorded(client_side(scene));
    const Duet duet = sing(server, recorded);
    Buffer stream;
    for (const Packet& packet : duet.from_server)
      append_packet(stream, packet.payload, packet.sequence);
    for (std::size_t size = 0; size <= stream.size(); ++size) {
      BackendLogin client(client_side(scene));
      const Want last = play(client, client.start(), split(Bytes(stream).first(size)));
      EXPECT_EQ(last, size == stream.size() ? Want::done : Want::read) << words(scene) << size;
    }
  }
}

/// `packets` with the payload of one of them cut short.
std::vector<Packet> with_cut(std::vector<Packet> packets, std::size_t which, std::size_t size) {
  packets[which].payload.resize(size);
  return packets;
}

TEST(Logins, WithATruncatedClientPacketNeverBecomeSomeoneElse) {
  for (const Scene& scene : sample_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin recorded(server_side(scene), accounts);
    BackendLogin client(client_side(scene));
    const Duet duet = sing(recorded, client);
    for (std::size_t which = 0; which < duet.from_client.size(); ++which) {
      const Buffer& payload = duet.from_client[which].payload;
      for (std::size_t size = 0; size < payload.size(); ++size) {
        ClientLogin server(server_side(scene), accounts);
        const Want last = play(server, server.start(), with_cut(duet.from_client, which, size));
        if (last == Want::failed) {
          EXPECT_FALSE(server.outgoing().empty());
          EXPECT_TRUE(server.error());
          continue;
        }
        // Plugin and attributes may be missing; user and proof may not.
        EXPECT_TRUE(last == Want::done || last == Want::read);
        EXPECT_EQ(server.identity().user, "app");
        if (last == Want::done) {
          EXPECT_TRUE(server.identity().schema.empty() || server.identity().schema == "shop");
        }
      }
    }
  }
}

TEST(Logins, WithATruncatedServerPacketFailUnlessItWasTheTailOfTheGreeting) {
  for (const Scene& scene : sample_scenes()) {
    const OneAccount accounts(verifier_of(scene));
    ClientLogin server(server_side(scene), accounts);
    BackendLogin recorded(client_side(scene));
    const Duet duet = sing(server, recorded);
    for (std::size_t which = 0; which < duet.from_server.size(); ++which) {
      const Buffer& payload = duet.from_server[which].payload;
      const bool greeting = which == 0;
      const std::size_t tail = greeting ? scene.plugin.size() + 1 : 0;
      for (std::size_t size = 0; size + tail < payload.size(); ++size) {
        // The NUL behind a switch's nonce may be missing.
        if (payload[0] == header_auth_switch && size + 1 == payload.size()) continue;
        // So may the last newline of a key.
        if (payload.size() > 400 && size + 1 == payload.size()) continue;
        BackendLogin client(client_side(scene));
        EXPECT_EQ(play(client, client.start(), with_cut(duet.from_server, which, size)),
                  Want::failed)
            << words(scene) << " packet " << which << " cut to " << size;
        EXPECT_TRUE(client.error());
        EXPECT_TRUE(client.outgoing().empty());
      }
    }
  }
}

}  // namespace
}  // namespace sluice::protocol
