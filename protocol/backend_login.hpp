/// We log in to a backend: greeting, TLS, plugin, OK or ERR.
///
/// Drive it as conversation.hpp says; it begins with a `read`. `done` means
/// that the backend said OK and waits for commands (at sequence 0).
///
///   greeting → (SSLRequest → TLS) → response → [switch] → [full] → OK | ERR
///
/// Speaks mysql_native_password, caching_sha2_password (fast, full over a
/// secure channel, full by RSA), sha256_password (which MySQL also names to users
/// that do not exist) and mysql_clear_password over a secure channel.
///
/// Errors: Errc::refused: the backend sent an ERR, see `refusal()`;
/// unsupported_auth_plugin: `detail()` names it; tls_required: the backend
/// offers no TLS, or the password would have to go in clear; and those of a
/// peer that breaks the protocol. `outgoing()` is empty after a failure.
/// Facts known by then stay readable after a failure.
#pragma once

#include <optional>

#include "protocol/conversation.hpp"
#include "protocol/handshake.hpp"

namespace sluice::protocol {

enum class TlsWish : std::uint8_t { off, prefer, require };
enum class KeyRetrieval : std::uint8_t { forbidden, allowed };

struct BackendLoginParams {
  std::string user;
  Secret password;
  std::string schema;  ///< empty: none
  /// Result-shaping bits as the pool key says (result_shaping_capabilities);
  /// what the login needs for itself is added, what a backend lacks is dropped.
  Capabilities wanted = 0;
  std::uint16_t collation = 45;
  std::uint32_t max_packet = 1U << 30;
  TlsWish tls = TlsWish::prefer;
  Channel channel = Channel::plain;  ///< tls: already on before the greeting; unix_socket: no TLS
  Attributes attributes;
  /// Without TLS, may we encrypt the password with whatever key the peer sends?
  KeyRetrieval key_retrieval = KeyRetrieval::allowed;
  /// PEM of the backend's key if it is known; then none is asked for.
  std::string public_key;
};

enum class Flavour : std::uint8_t { mysql, mariadb };

/// What a login has learnt about the backend.
struct BackendFacts {
  std::uint32_t connection_id = 0;
  std::string server_version;        ///< as sent, without MariaDB's "5.5.5-" prefix
  std::uint32_t version_number = 0;  ///< 101119 for 10.11.19; 0 if unreadable
  Flavour flavour = Flavour::mysql;
  Capabilities server_capabilities = 0;
  Capabilities capabilities = 0;  ///< agreed: what shapes the packets from now on
  std::uint16_t status = 0;       ///< of the OK
  std::string auth_plugin;        ///< the one that succeeded
  Channel channel = Channel::plain;
  /// The wanted collation did not fit the login packet: SET NAMES is still due.
  bool needs_set_names = false;
};

/// A backend's ERR during login.
struct Refusal {
  std::uint16_t code = 0;
  std::string sqlstate;  ///< "HY000" if the backend sent none, as it does before the login
  std::string message;

  bool operator==(const Refusal&) const = default;
};

/// "5.5.5-10.11.19-MariaDB-log" → 101119; 0 if there is no number.
[[nodiscard]] std::uint32_t parse_version_number(std::string_view server_version) noexcept;

class BackendLogin {
 public:
  explicit BackendLogin(BackendLoginParams params);
  BackendLogin(const BackendLogin&) = delete;
  BackendLogin& operator=(const BackendLogin&) = delete;
  ~BackendLogin();

  [[nodiscard]] Want start();
  [[nodiscard]] Want on_packet(Bytes payload, std::uint8_t sequence);
  [[nodiscard]] Want on_written();
  [[nodiscard]] Want on_tls();

  [[nodiscard]] const Buffer& outgoing() const noexcept { return outgoing_; }
  [[nodiscard]] boost::system::error_code error() const noexcept { return error_; }
  /// More about the error for people: the plugin's name, for one. May be empty.
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }
  [[nodiscard]] const BackendFacts& facts() const noexcept { return facts_; }

 private:
  enum class State : std::uint8_t {
    idle,
    greeting,
    sending_ssl_request,
    tls_handshake,
    sending,
    reply,
    done,
    failed,
  };

  Want take_greeting(Bytes payload);
  Want take_reply(Bytes payload);
  Want take_switch(Bytes payload);
  Want take_more_data(Bytes payload);
  Want take_refusal(Bytes payload);
  Want send_response();
  Want send_full_password();
  Want send_encrypted(std::string_view public_key_pem);
  Want send(Bytes payload, State next);
  Want fail(boost::system::error_code error, std::string detail = {});
  [[nodiscard]] Result<Secret> make_proof() const;
  void clear_outgoing() noexcept;

  BackendLoginParams params_;
  State state_ = State::idle;
  std::uint8_t sequence_ = 0;
  std::uint8_t rounds_ = 0;
  Buffer outgoing_;
  boost::system::error_code error_;
  std::string detail_;
  std::optional<Refusal> refusal_;
  BackendFacts facts_;
  Nonce nonce_{};
  std::string plugin_;
  std::uint8_t login_collation_ = 45;
  bool key_requested_ = false;
  bool password_sent_ = false;
};

}  // namespace sluice::protocol
