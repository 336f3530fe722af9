/// A client logs in to us: greeting, TLS, negotiation of the plugin, proof of
/// the password. Also re-authentication by COM_CHANGE_USER.
///
/// Drive it as conversation.hpp says. `done` means the client has proven who
/// it is and is still waiting for the answer: call `accept()`, `reject()` or
/// `answer()` once, and send `outgoing()`. So the schema can be checked on a
/// backend before the client hears OK.
///
///   greet → (SSLRequest → TLS) → response → [switch] → [full] → done → OK | ERR
///
/// Speaks mysql_native_password and caching_sha2_password; switches the plugin
/// when the client named another one, or when the account cannot be verified by
/// the one it named. All proofs of one connection are made with the greeting's
/// nonce, as servers do.
///
/// Errors: Errc::authentication_failed (ERR 1045), tls_required (3159),
/// out_of_sequence (1156), malformed/truncated/too_large/unsupported_protocol
/// (1043), unsupported_auth_plugin (1251). The ERR is in `outgoing()`.
/// Lifetime: `Accounts` and `RsaKey` must outlive the machine.
#pragma once

#include <functional>
#include <optional>

#include "protocol/conversation.hpp"
#include "protocol/handshake.hpp"

namespace sluice::protocol {

/// What an account's password is checked against: any one of these will do.
/// None at all is an account that does not exist; nothing proves it.
struct Verifier {
  std::optional<Secret> password;         ///< serves every plugin; may be empty
  std::optional<NativeHash> native;       ///< serves mysql_native_password and full authentication
  std::optional<Sha2Hash> sha2;           ///< serves caching_sha2_password
  std::optional<std::string> sha2_crypt;  ///< `$A$005$…`: full authentication only

  [[nodiscard]] bool exists() const noexcept { return password || native || sha2 || sha2_crypt; }
};

/// The accounts that may log in. Asked once per login, when the user is known.
class Accounts {
 public:
  virtual ~Accounts() = default;
  [[nodiscard]] virtual Verifier find(std::string_view user) const = 0;
};

enum class ClientTls : std::uint8_t { off, offered, required };
enum class FullAuthentication : std::uint8_t { when_needed, always };

struct ClientLoginParams {
  /// Capabilities are what we offer (`ssl` is set or cleared by the machine
  /// according to `tls`); `auth_plugin` is the default to start with.
  Greeting greeting;
  ClientTls tls = ClientTls::off;
  Channel channel = Channel::plain;  ///< `required` is content with any secure channel
  std::string client_host;           ///< for the wording of errors
  /// For caching_sha2_password's full authentication without TLS; null refuses it.
  const RsaKey* rsa_key = nullptr;
  /// `always` makes caching_sha2_password clients hand over the password itself.
  FullAuthentication full_authentication = FullAuthentication::when_needed;
};

/// Who logged in, and what was agreed.
struct ClientIdentity {
  std::string user;
  std::string schema;  ///< empty: none asked for
  /// Both sides' bits. After COM_CHANGE_USER: those of the login.
  Capabilities capabilities = 0;
  std::uint16_t collation = 0;
  std::uint32_t max_packet = 0;
  Attributes attributes;
  std::string auth_plugin;
  Channel channel = Channel::plain;
  /// Set if full authentication has shown it to us.
  std::optional<Secret> password;
};

class ClientLogin {
 public:
  ClientLogin(ClientLoginParams params, const Accounts& accounts);
  ClientLogin(const ClientLogin&) = delete;
  ClientLogin& operator=(const ClientLogin&) = delete;

  /// Begins a login: the greeting goes out.
  [[nodiscard]] Want start();
  /// Begins instead at a COM_CHANGE_USER that the client has just sent.
  /// `params.greeting.nonce` must be that of the login, `params.channel` the
  /// present one; `login` is what the login (or the last change) ended with.
  [[nodiscard]] Want start_change_user(Bytes payload, std::uint8_t sequence,
                                       const ClientIdentity& login);

  [[nodiscard]] Want on_packet(Bytes payload, std::uint8_t sequence);
  [[nodiscard]] Want on_written();
  [[nodiscard]] Want on_tls();

  [[nodiscard]] const Buffer& outgoing() const noexcept { return outgoing_; }
  [[nodiscard]] boost::system::error_code error() const noexcept { return error_; }

  /// Valid from `done` on. In `failed` it holds what was known by then (for
  /// logs: the user may be empty).
  [[nodiscard]] const ClientIdentity& identity() const noexcept { return identity_; }
  /// Moves the identity out, password and all.
  [[nodiscard]] ClientIdentity take_identity() noexcept { return std::move(identity_); }

  // After `done`, exactly one of these; then send outgoing(). The next command
  // of the client starts at sequence 0 again.
  /// `session_state`: a tracker block for a client with session_track, such as the
  /// schema that the login selected; else empty.
  void accept(std::uint16_t status = status::autocommit, Bytes session_state = {});
  void reject(std::uint16_t code, std::string_view sqlstate, std::string_view message);
  /// An OK or ERR payload made elsewhere, such as a backend's ERR. It must have
  /// been made for the capabilities in `identity()`.
  void answer(Bytes payload);

 private:
  enum class State : std::uint8_t {
    idle,
    greeting,
    response,
    tls_handshake,
    response_over_tls,
    switching,
    switch_response,
    asking_full,
    full_response,
    sending_key,
    ciphertext,
    verified,
    answered,
    failed,
  };

  Want take_response(Bytes payload);
  Want authenticate();
  Want take_proof(Bytes proof);
  Want take_full(Bytes payload);
  Want take_ciphertext(Bytes payload);
  Want check_password(Secret password);
  Want ask_full();
  Want switch_plugin(std::string_view plugin);
  Want succeed();
  Want deny();
  Want refuse(boost::system::error_code error, std::uint16_t code, std::string_view sqlstate,
              std::string_view message);
  Want refuse_handshake(boost::system::error_code error);
  Want send(Bytes payload, State next);
  [[nodiscard]] bool can_verify(std::string_view plugin) const noexcept;
  [[nodiscard]] bool verify(Bytes proof) const;
  [[nodiscard]] bool accepts_empty_password() const;

  ClientLoginParams params_;
  const Accounts& accounts_;
  State state_ = State::idle;
  std::uint8_t sequence_ = 0;  // of the next packet, whoever sends it
  Buffer outgoing_;
  boost::system::error_code error_;
  ClientIdentity identity_;
  Verifier verifier_;
  std::string plugin_;  // the one that the client is answering with
  Buffer proof_;
  bool password_given_ = false;
  bool switched_ = false;
  bool changing_user_ = false;
  bool fast_path_proven_ = false;  // 0x03 goes out ahead of the answer
};

}  // namespace sluice::protocol
