#include "protocol/password.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cassert>
#include <initializer_list>
#include <new>

namespace sluice::protocol {
namespace {

template <auto Free>
struct Release {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;

/// Whoever reads OpenSSL's error queue next must find only their own errors:
/// the TLS streams of this thread look there.
boost::system::error_code crypto_failed() noexcept {
  ERR_clear_error();
  return Errc::crypto_failed;
}

/// A running digest. OpenSSL refuses only when it is out of memory.
template <std::size_t Size>
class Digest {
 public:
  using Value = std::array<std::uint8_t, Size>;

  explicit Digest(const EVP_MD* method) : context_(EVP_MD_CTX_new()) {
    check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), method, nullptr) == 1);
  }
  Digest& add(Bytes part) {
    check(EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1);
    return *this;
  }
  Digest& add(std::string_view part) { return add(as_bytes(part)); }
  Value value() {
    Value result{};
    check(EVP_DigestFinal_ex(context_.get(), result.data(), nullptr) == 1);
    return result;
  }

 private:
  static void check(bool done) {
    if (!done) throw std::bad_alloc();
  }
  DigestContext context_;
};

struct Sha1 : Digest<20> {
  Sha1() : Digest(EVP_sha1()) {}
};
struct Sha256 : Digest<32> {
  Sha256() : Digest(EVP_sha256()) {}
};

template <std::size_t Size>
Buffer exclusive_or(const std::array<std::uint8_t, Size>& a,
                    const std::array<std::uint8_t, Size>& b) {
  Buffer result(Size);
  for (std::size_t i = 0; i < Size; ++i) result[i] = static_cast<std::uint8_t>(a[i] ^ b[i]);
  return result;
}

template <std::size_t Size>
std::array<std::uint8_t, Size> exclusive_or(Bytes a, const std::array<std::uint8_t, Size>& b) {
  std::array<std::uint8_t, Size> result{};
  for (std::size_t i = 0; i < Size; ++i) result[i] = static_cast<std::uint8_t>(a[i] ^ b[i]);
  return result;
}

constexpr std::size_t crypt_salt_size = 20;
constexpr std::size_t crypt_digest_size = 43;
constexpr std::size_t crypt_prefix_size = 7;  // $A$005$
constexpr std::string_view hex_digits = "0123456789ABCDEF";

/// crypt's base 64: six bits at a time, the lowest first.
std::string crypt_text(const Sha256::Value& digest) {
  constexpr std::string_view alphabet =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string text;
  const auto put = [&](unsigned bits, int characters) {
    for (; characters > 0; --characters, bits >>= 6) text += alphabet[bits & 0x3f];
  };
  // Triples of bytes, each index ten further round the first thirty.
  for (unsigned i = 0, high = 0, middle = 10, low = 20; i < 10; ++i) {
    put(static_cast<unsigned>(digest[high] << 16 | digest[middle] << 8 | digest[low]), 4);
    const unsigned next = low + 1;
    low = middle + 1;
    middle = high + 1;
    high = next;
  }
  put(static_cast<unsigned>(digest[31] << 8 | digest[30]), 3);
  return text;
}

/// SHA-256 crypt as Drepper's specification has it, but for the salt, which
/// may be longer than 16 bytes.
std::string crypt_digest(std::string_view password, std::string_view salt, unsigned rounds) {
  const auto repeated = [](const Sha256::Value& digest, std::size_t size) {
    Secret result(size);
    for (std::size_t i = 0; i < size; ++i) result.data()[i] = digest[i % digest.size()];
    return result;
  };
  const Sha256::Value b = [&] {
    Sha256 digest;
    digest.add(password).add(salt).add(password);
    return digest.value();
  }();
  Sha256 first;
  first.add(password).add(salt).add(repeated(b, password.size()).bytes());
  for (std::size_t length = password.size(); length > 0; length >>= 1) {
    if ((length & 1) != 0) {
      first.add(b);
    } else {
      first.add(password);
    }
  }
  Sha256::Value running = first.value();

  Sha256 of_password;
  for (std::size_t i = 0; i < password.size(); ++i) of_password.add(password);
  const Secret p = repeated(of_password.value(), password.size());
  Sha256 of_salt;
  for (int i = 0; i < 16 + running[0]; ++i) of_salt.add(salt);
  const Secret s = repeated(of_salt.value(), salt.size());

  for (unsigned round = 0; round < rounds; ++round) {
    const bool odd = round % 2 != 0;
    Sha256 digest;
    digest.add(odd ? p.bytes() : Bytes(running));
    if (round % 3 != 0) digest.add(s.bytes());
    if (round % 7 != 0) digest.add(p.bytes());
    digest.add(odd ? Bytes(running) : p.bytes());
    running = digest.value();
  }
  return crypt_text(running);
}

int refuse_passphrase(char*, int, int, void*) { return -1; }

/// The password as RSA sees it: NUL-terminated, XOR the repeated nonce.
Secret masked(std::string_view password, const Nonce& nonce) {
  Secret text(password.size() + 1);
  std::memcpy(text.data(), password.data(), password.size());
  for (std::size_t i = 0; i < text.size(); ++i) text.data()[i] ^= nonce[i % nonce.size()];
  return text;
}

constexpr int smallest_key_bits = 1024;
constexpr int largest_key_bits = 8192;  // a hostile key must not cost seconds

bool is_usable_rsa(const EVP_PKEY* key) {
  return key != nullptr && EVP_PKEY_is_a(key, "RSA") == 1 &&
         EVP_PKEY_get_bits(key) >= smallest_key_bits && EVP_PKEY_get_bits(key) <= largest_key_bits;
}

}  // namespace

Nonce make_nonce(const std::array<std::uint8_t, nonce_size>& random) noexcept {
  Nonce nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    // Seven bits, and neither NUL, which ends it on the wire, nor '$', which
    // MySQL leaves out too.
    const auto byte = static_cast<std::uint8_t>(random[i] & 0x7f);
    nonce[i] = byte == 0 || byte == '$' ? static_cast<std::uint8_t>(byte + 1) : byte;
  }
  return nonce;
}

bool equal_in_constant_time(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

NativeHash native_hash(std::string_view password) {
  return Sha1().add(Sha1().add(password).value()).value();
}

Buffer native_proof(std::string_view password, const Nonce& nonce) {
  if (password.empty()) return {};
  const auto stage1 = Sha1().add(password).value();
  const auto stage2 = Sha1().add(stage1).value();
  return exclusive_or(stage1, Sha1().add(nonce).add(stage2).value());
}

bool verify_native(Bytes proof, const NativeHash& hash, const Nonce& nonce) {
  if (proof.size() != hash.size()) return false;
  const auto stage1 = exclusive_or(proof, Sha1().add(nonce).add(hash).value());
  return equal_in_constant_time(Sha1().add(stage1).value(), hash);
}

Result<NativeHash> parse_native_hash(std::string_view text) {
  NativeHash hash{};
  if (text.size() != 1 + 2 * hash.size() || text[0] != '*') return Errc::malformed;
  for (std::size_t i = 0; i < 2 * hash.size(); ++i) {
    const char digit = text[i + 1];
    const char upper = digit >= 'a' && digit <= 'f' ? static_cast<char>(digit - 'a' + 'A') : digit;
    const std::size_t value = hex_digits.find(upper);
    if (value == std::string_view::npos) return Errc::malformed;
    hash[i / 2] = static_cast<std::uint8_t>(hash[i / 2] << 4 | value);
  }
  return hash;
}

Sha2Hash sha2_hash(std::string_view password) {
  return Sha256().add(Sha256().add(password).value()).value();
}

Buffer sha2_proof(std::string_view password, const Nonce& nonce) {
  if (password.empty()) return {};
  const auto stage1 = Sha256().add(password).value();
  const auto stage2 = Sha256().add(stage1).value();
  return exclusive_or(stage1, Sha256().add(stage2).add(nonce).value());
}

bool verify_sha2(Bytes proof, const Sha2Hash& hash, const Nonce& nonce) {
  if (proof.size() != hash.size()) return false;
  const auto stage1 = exclusive_or(proof, Sha256().add(hash).add(nonce).value());
  return equal_in_constant_time(Sha256().add(stage1).value(), hash);
}

bool verify_sha2_crypt(std::string_view password, std::string_view stored) {
  if (stored.size() != crypt_prefix_size + crypt_salt_size + crypt_digest_size) return false;
  if (!stored.starts_with("$A$") || stored[6] != '$') return false;
  if (password.size() > max_password_size) return false;
  unsigned cost = 0;
  for (const char digit : stored.substr(3, 3)) {
    const std::size_t value = hex_digits.find(digit);
    if (value == std::string_view::npos) return false;
    cost = cost << 4 | static_cast<unsigned>(value);
  }
  if (cost == 0) return false;
  const auto computed =
      sha2_crypt(password, stored.substr(crypt_prefix_size, crypt_salt_size), cost);
  return equal_in_constant_time(as_bytes(computed), as_bytes(stored));
}

std::string sha2_crypt(std::string_view password, std::string_view salt, unsigned cost) {
  assert(salt.size() == crypt_salt_size && cost >= 1 && cost <= 0xfff && "not a caching_sha2 hash");
  std::string text = "$A$";
  for (const unsigned shift : {8U, 4U, 0U}) text += hex_digits[cost >> shift & 0xf];
  text += '$';
  text += salt;
  return text + crypt_digest(password, salt, cost * 1000);
}

Result<Buffer> encrypt_password(std::string_view password, const Nonce& nonce,
                                std::string_view public_key_pem) {
  if (password.size() > max_password_size) return Errc::too_large;
  const Bio bio(BIO_new_mem_buf(public_key_pem.data(), static_cast<int>(public_key_pem.size())));
  if (!bio) return crypto_failed();
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (!is_usable_rsa(key.get())) return crypto_failed();
  const KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1) {
    return crypto_failed();
  }
  const Secret text = masked(password, nonce);
  Buffer ciphertext(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
  std::size_t size = ciphertext.size();
  if (EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, text.bytes().data(), text.size()) !=
      1) {
    return crypto_failed();
  }
  ciphertext.resize(size);
  return ciphertext;
}

Result<RsaKey> RsaKey::adopt(std::shared_ptr<void> key) {
  auto* const pkey = static_cast<EVP_PKEY*>(key.get());
  if (!is_usable_rsa(pkey)) return crypto_failed();
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), pkey) != 1) return crypto_failed();
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  RsaKey adopted;
  adopted.public_pem_.assign(text, static_cast<std::size_t>(size));
  adopted.size_ = static_cast<std::size_t>(EVP_PKEY_get_size(pkey));
  adopted.key_ = std::move(key);
  return adopted;
}

Result<RsaKey> RsaKey::generate(unsigned bits) {
  Key key(EVP_RSA_gen(bits));
  if (!key) return crypto_failed();
  return adopt(std::shared_ptr<void>(key.release(), Release<EVP_PKEY_free>{}));
}

Result<RsaKey> RsaKey::load_pem(std::string_view private_key_pem) {
  const Bio bio(BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())));
  if (!bio) return crypto_failed();
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (!key) return crypto_failed();
  return adopt(std::shared_ptr<void>(key.release(), Release<EVP_PKEY_free>{}));
}

Result<Secret> RsaKey::decrypt_password(Bytes ciphertext, const Nonce& nonce) const {
  const KeyContext context(EVP_PKEY_CTX_new(static_cast<EVP_PKEY*>(key_.get()), nullptr));
  if (!context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1) {
    return crypto_failed();
  }
  Secret text(size_);
  std::size_t size = text.size();
  if (EVP_PKEY_decrypt(context.get(), text.data(), &size, ciphertext.data(), ciphertext.size()) !=
      1) {
    return crypto_failed();
  }
  text.shrink(size);
  for (std::size_t i = 0; i < size; ++i) text.data()[i] ^= nonce[i % nonce.size()];
  if (size == 0 || text.data()[size - 1] != 0) return Errc::malformed;
  text.shrink(size - 1);
  return text;
}

}  // namespace sluice::protocol
