/// Proofs of a password: what a client sends instead of it, and how a server
/// checks that.
///
/// mysql_native_password: SHA1(p) XOR SHA1(nonce + SHA1(SHA1(p))); the server
/// keeps SHA1(SHA1(p)). caching_sha2_password, fast path:
/// SHA256(p) XOR SHA256(SHA256(SHA256(p)) + nonce); the server caches
/// SHA256(SHA256(p)) and keeps a salted crypt hash for full authentication.
///
/// Shapes: a proof of the empty password is empty. Verifying compares in
/// constant time. Nonces are 20 bytes, none of them 0 or '$'.
/// Errors: Errc::crypto_failed if OpenSSL refuses a key or a ciphertext;
/// std::bad_alloc if it has no memory for a digest.
/// Source: MySQL internals manual, "Authentication Methods"; MySQL worklog 9591;
/// "Unix crypt using SHA-256/SHA-512" (Drepper) for the salted hash.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"
#include "protocol/secret.hpp"

namespace sluice::protocol {

inline constexpr std::size_t nonce_size = 20;
using Nonce = std::array<std::uint8_t, nonce_size>;
using NativeProof = std::array<std::uint8_t, 20>;
using Sha2Proof = std::array<std::uint8_t, 32>;
/// SHA1(SHA1(password)), what mysql.user shows as `*HEX`.
using NativeHash = std::array<std::uint8_t, 20>;
/// SHA256(SHA256(password)), what a server caches after a full authentication.
using Sha2Hash = std::array<std::uint8_t, 32>;

/// The longest password that caching_sha2_password knows, in bytes.
inline constexpr std::size_t max_password_size = 256;

/// Turns 20 random bytes into a nonce that every client can take.
[[nodiscard]] Nonce make_nonce(const std::array<std::uint8_t, nonce_size>& random) noexcept;

[[nodiscard]] bool equal_in_constant_time(Bytes a, Bytes b) noexcept;

// mysql_native_password
[[nodiscard]] NativeHash native_hash(std::string_view password);
/// The proof, or empty for the empty password.
[[nodiscard]] Buffer native_proof(std::string_view password, const Nonce& nonce);
[[nodiscard]] bool verify_native(Bytes proof, const NativeHash& hash, const Nonce& nonce);
/// From mysql.user's `*` and 40 hex digits.
[[nodiscard]] Result<NativeHash> parse_native_hash(std::string_view text);

// caching_sha2_password
[[nodiscard]] Sha2Hash sha2_hash(std::string_view password);
/// The proof, or empty for the empty password.
[[nodiscard]] Buffer sha2_proof(std::string_view password, const Nonce& nonce);
[[nodiscard]] bool verify_sha2(Bytes proof, const Sha2Hash& hash, const Nonce& nonce);
/// Against mysql.user's `$A$005$` + 20 bytes of salt + 43 characters. Slow, on
/// purpose: about 1000 rounds per unit of the cost field.
[[nodiscard]] bool verify_sha2_crypt(std::string_view password, std::string_view stored);
/// The inverse, for tests and tools: `salt` is 20 bytes, `cost` 1 to 0xfff.
[[nodiscard]] std::string sha2_crypt(std::string_view password, std::string_view salt,
                                     unsigned cost = 5);

/// Encrypts the password for the holder of `public_key_pem`: RSA-OAEP (SHA-1)
/// of the NUL-terminated password XOR the repeated nonce.
[[nodiscard]] Result<Buffer> encrypt_password(std::string_view password, const Nonce& nonce,
                                              std::string_view public_key_pem);

/// The key pair with which clients without TLS hide their password.
///
/// Immutable once made; may be shared by threads. Generating takes about
/// 100 ms and draws on OpenSSL's random source.
class RsaKey {
 public:
  [[nodiscard]] static Result<RsaKey> generate(unsigned bits = 2048);
  /// From an unencrypted PEM private key (PKCS#1 or PKCS#8).
  [[nodiscard]] static Result<RsaKey> load_pem(std::string_view private_key_pem);

  /// `-----BEGIN PUBLIC KEY-----` …, as sent to clients.
  [[nodiscard]] const std::string& public_pem() const noexcept { return public_pem_; }
  /// The size of every ciphertext, in bytes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The inverse of `encrypt_password`.
  [[nodiscard]] Result<Secret> decrypt_password(Bytes ciphertext, const Nonce& nonce) const;

 private:
  RsaKey() = default;
  static Result<RsaKey> adopt(std::shared_ptr<void> key);

  std::shared_ptr<void> key_;  // EVP_PKEY; void keeps OpenSSL's headers out of ours
  std::string public_pem_;
  std::size_t size_ = 0;
};

}  // namespace sluice::protocol
