#include "protocol/password.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "tests/protocol/login_stage.hpp"

namespace sluice::protocol {
namespace {

// Recorded from logins to MariaDB 10.11.19 and MySQL 9.7.4.
constexpr std::string_view password = "secret-\xc3\xbc";

Nonce nonce_from(std::string_view digits) {
  Nonce nonce{};
  const Buffer bytes = from_hex(digits);
  std::copy_n(bytes.begin(), nonce.size(), nonce.begin());
  return nonce;
}

TEST(Password, NativeProofIsTheOneThatMariaDbAccepted) {
  const Nonce nonce = nonce_from("41294a79452b45586c3664795475735f614a3153");
  EXPECT_EQ(native_proof(password, nonce), from_hex("a4f285cdc87103a0b9645837bb187359bdd6d5cb"));
}

TEST(Password, NativeHashIsTheOneThatMariaDbStores) {
  const auto stored = parse_native_hash("*3D5F0F980156530BD4414C1BC2EB15C3DD79CEC3");
  ASSERT_TRUE(stored);
  EXPECT_EQ(*stored, native_hash(password));
}

TEST(Password, Sha2ProofIsTheOneThatMySqlAccepted) {
  const Nonce nonce = nonce_from("0d2e470c081c2e500d164235737d54635946224e");
  EXPECT_EQ(sha2_proof(password, nonce),
            from_hex("4235bdd139991101204b5ebe32a7257daf4e9da85f1349c35a17bde044c300d0"));
}

struct Stored {
  std::string password;
  std::string hex;
};

class Sha2Crypt : public testing::TestWithParam<Stored> {};

TEST_P(Sha2Crypt, VerifiesWhatMySqlStores) {
  const Buffer stored = from_hex(GetParam().hex);
  const std::string& right = GetParam().password;
  EXPECT_TRUE(verify_sha2_crypt(right, as_text(stored)));
  EXPECT_FALSE(verify_sha2_crypt(right + "x", as_text(stored)));
  EXPECT_FALSE(verify_sha2_crypt("", as_text(stored)));
}

INSTANTIATE_TEST_SUITE_P(
    Recorded, Sha2Crypt,
    testing::Values(
        Stored{
            std::string(password),
            "244124303041242E641F7519290172531A04557234012C0161554D73744763775777493139706C34576E"
            "597463326C62387343316F75436B6535757A57435A50393638706735"},
        Stored{
            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
            "244124303041247E1C1F5D343A3058282547033E421B58546B3F36704A7A7138384B4B3555504F6E3774"
            "6E466571357134544975574A3444672E6D51714864627453576C3244"}));

TEST(Password, Sha2CryptRefusesWhatIsNotSuchAHash) {
  const std::string good = sha2_crypt("p", "abcdefghijklmnopqrst");
  EXPECT_TRUE(good.starts_with("$A$005$abcdefghijklmnopqrst"));
  ASSERT_TRUE(verify_sha2_crypt("p", good));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(verify_sha2_crypt("p", std::string_view(good).substr(0, size))) << size;
  for (const std::size_t place : {0U, 1U, 2U, 3U, 6U, 7U, 69U}) {
    std::string bent = good;
    bent[place] = '!';
    EXPECT_FALSE(verify_sha2_crypt("p", bent)) << place;
  }
  EXPECT_FALSE(verify_sha2_crypt(std::string(max_password_size + 1, 'p'), good));
}

TEST(Password, ProofsVerifyAgainstHashesAndNothingElseDoes) {
  const Nonce nonce = some_nonce();
  Nonce other = nonce;
  other[19] ^= 1;
  for (const std::string_view right : {"p", "secret", "a longer one with spaces", "\xff\x01"}) {
    const Buffer native = native_proof(right, nonce);
    const Buffer sha2 = sha2_proof(right, nonce);
    EXPECT_TRUE(verify_native(native, native_hash(right), nonce));
    EXPECT_TRUE(verify_sha2(sha2, sha2_hash(right), nonce));
    EXPECT_FALSE(verify_native(native, native_hash("other"), nonce));
    EXPECT_FALSE(verify_sha2(sha2, sha2_hash("other"), nonce));
    EXPECT_FALSE(verify_native(native, native_hash(right), other));
    EXPECT_FALSE(verify_sha2(sha2, sha2_hash(right), other));
    for (std::size_t size = 0; size < native.size(); ++size)
      EXPECT_FALSE(verify_native(Bytes(native).first(size), native_hash(right), nonce));
    for (std::size_t size = 0; size < sha2.size(); ++size)
      EXPECT_FALSE(verify_sha2(Bytes(sha2).first(size), sha2_hash(right), nonce));
  }
}

TEST(Password, TheProofOfTheEmptyPasswordIsEmpty) {
  EXPECT_TRUE(native_proof("", some_nonce()).empty());
  EXPECT_TRUE(sha2_proof("", some_nonce()).empty());
}

TEST(Password, NativeHashesAreReadInEitherCaseAndNothingElseIs) {
  const std::string upper = "*3D5F0F980156530BD4414C1BC2EB15C3DD79CEC3";
  const auto lower = parse_native_hash("*3d5f0f980156530bd4414c1bc2eb15c3dd79cec3");
  ASSERT_TRUE(lower);
  EXPECT_EQ(*lower, *parse_native_hash(upper));
  EXPECT_FALSE(parse_native_hash(upper.substr(1)));
  EXPECT_FALSE(parse_native_hash(upper + "0"));
  EXPECT_FALSE(parse_native_hash("*3G5F0F980156530BD4414C1BC2EB15C3DD79CEC3"));
  EXPECT_FALSE(parse_native_hash(""));
}

TEST(Password, NoncesHoldNeitherNulNorDollarNorEighthBits) {
  for (int fill = 0; fill < 256; ++fill) {
    std::array<std::uint8_t, nonce_size> random{};
    random.fill(static_cast<std::uint8_t>(fill));
    for (const std::uint8_t byte : make_nonce(random)) {
      EXPECT_TRUE(byte > 0 && byte < 0x80 && byte != '$') << fill;
    }
  }
}

TEST(Password, RsaBringsThePasswordAcross) {
  const Nonce nonce = some_nonce();
  for (const std::string& text :
       {std::string(), std::string("secret"), std::string(100, 'x'), std::string("a\0b", 3)}) {
    const auto ciphertext = encrypt_password(text, nonce, test_key().public_pem());
    ASSERT_TRUE(ciphertext);
    EXPECT_EQ(ciphertext->size(), test_key().size());
    const auto decrypted = test_key().decrypt_password(*ciphertext, nonce);
    ASSERT_TRUE(decrypted);
    EXPECT_EQ(decrypted->text(), text);
  }
}

TEST(Password, RsaRefusesBentCiphertextsAndOtherNonces) {
  const Nonce nonce = some_nonce();
  Buffer ciphertext = *encrypt_password("secret", nonce, test_key().public_pem());
  Nonce other = nonce;
  other[6] ^= 1;  // where the NUL behind "secret" is
  EXPECT_FALSE(test_key().decrypt_password(ciphertext, other));
  for (std::size_t size = 0; size < ciphertext.size(); size += 15)
    EXPECT_FALSE(test_key().decrypt_password(Bytes(ciphertext).first(size), nonce));
  ciphertext[100] ^= 1;
  EXPECT_FALSE(test_key().decrypt_password(ciphertext, nonce));
}

TEST(Password, RsaRefusesKeysThatAreNone) {
  const std::string& pem = test_key().public_pem();
  EXPECT_FALSE(encrypt_password("secret", some_nonce(), ""));
  EXPECT_FALSE(encrypt_password("secret", some_nonce(), pem.substr(0, pem.size() / 2)));
  EXPECT_FALSE(encrypt_password(std::string(max_password_size + 1, 'x'), some_nonce(), pem));
  EXPECT_FALSE(RsaKey::load_pem(pem));  // the public half is not enough
  EXPECT_FALSE(RsaKey::load_pem("-----BEGIN PRIVATE KEY-----\n"));
}

TEST(Password, AKeyThatWasSavedIsLoadedAgain) {
  EVP_PKEY* const key = EVP_RSA_gen(1024U);
  BIO* const bio = BIO_new(BIO_s_mem());
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  char* text = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio, &text));
  const auto loaded = RsaKey::load_pem(std::string_view(text, size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->size(), 128U);
  const auto ciphertext = encrypt_password("secret", some_nonce(), loaded->public_pem());
  ASSERT_TRUE(ciphertext);
  EXPECT_EQ(loaded->decrypt_password(*ciphertext, some_nonce())->text(), "secret");
}

}  // namespace
}  // namespace sluice::protocol
