#include "proxy/dashboard.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <span>

namespace sluice::proxy {

// Made by embed.cmake: a literal may not be as long as the page.
extern const std::span<const std::string_view> dashboard_parts;

namespace {

/// 'sha256-…' of what stands between <tag> and </tag>.
std::string hash_of(std::string_view page, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const std::size_t begin = page.find(open);
  const std::size_t end = page.find(fmt::format("</{}>", tag));
  if (begin == std::string_view::npos || end == std::string_view::npos) return "'none'";
  const std::string_view text = page.substr(begin + open.size(), end - begin - open.size());
  std::array<unsigned char, 32> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::array<unsigned char, 48> base64{};
  const int size = EVP_EncodeBlock(base64.data(), digest.data(), digest.size());
  return fmt::format("'sha256-{}'", std::string_view(reinterpret_cast<const char*>(base64.data()),
                                                     static_cast<std::size_t>(size)));
}

}  // namespace

const std::string& dashboard_page() {
  static const std::string page = [] {
    std::string text;
    for (const std::string_view part : dashboard_parts) text += part;
    return text;
  }();
  return page;
}

std::string policy_for(std::string_view page) {
  return fmt::format(
      "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      hash_of(page, "script"), hash_of(page, "style"));
}

const std::string& dashboard_policy() {
  static const std::string policy = policy_for(dashboard_page());
  return policy;
}

}  // namespace sluice::proxy
