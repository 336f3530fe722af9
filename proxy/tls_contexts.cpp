#include "proxy/tls_contexts.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "proxy/startup_error.hpp"

namespace sluice::proxy {
namespace {

constexpr long certificate_days = 3650;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

/// A fresh key with a certificate that it signs itself; clients can encrypt with
/// it, but not verify who answers.
void use_self_signed(TlsContext& context) {
  static char curve[] = "P-256";  // the variadic call takes no const
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  const std::unique_ptr<X509, Free> certificate(X509_new());
  if (!key || !certificate) throw StartupError("cannot make a TLS key");
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), certificate_days * 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Sluice (self-signed)"), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), name);
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0 ||
      SSL_CTX_use_certificate(context.native_handle(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.native_handle(), key.get()) != 1) {
    throw StartupError("cannot make a self-signed TLS certificate");
  }
}

}  // namespace

std::shared_ptr<TlsContext> make_client_tls(const config::Listen& listen) {
  if (listen.tls == config::ClientTls::off) return nullptr;
  auto context = std::make_shared<TlsContext>(TlsContext::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  if (listen.certificate.empty()) {
    use_self_signed(*context);
    return context;
  }
  error_code error;
  context->use_certificate_chain_file(listen.certificate.string(), error);
  if (error)
    throw StartupError(fmt::format("listen.certificate: cannot use {}: {}",
                                   listen.certificate.string(), error.message()));
  context->use_private_key_file(listen.key.string(), TlsContext::pem, error);
  if (error)
    throw StartupError(
        fmt::format("listen.key: cannot use {}: {}", listen.key.string(), error.message()));
  return context;
}

std::shared_ptr<TlsContext> make_backend_tls(const config::Backend& backend) {
  if (backend.tls == config::BackendTls::off) return nullptr;
  auto context = std::make_shared<TlsContext>(TlsContext::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  if (backend.tls != config::BackendTls::verify) return context;
  error_code error;
  if (backend.tls_ca.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->load_verify_file(backend.tls_ca.string(), error);
  }
  if (error)
    throw StartupError(fmt::format("backend '{}': tls_ca: cannot use {}: {}", backend.name,
                                   backend.tls_ca.string(), error.message()));
  context->set_verify_mode(asio::ssl::verify_peer);
  return context;
}

}  // namespace sluice::proxy
