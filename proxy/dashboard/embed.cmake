# Turns a page into a .cpp: cmake -DPAGE=index.html -DOUT=dashboard_page.cpp -P embed.cmake
# In parts, since a literal may have 65,536 bytes and no more.
file(READ "${PAGE}" page)
string(LENGTH "${page}" length)
set(parts "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${page}" ${at} 8192 part)
  string(APPEND parts "R\"sluice(${part})sluice\"sv,\n")
  math(EXPR at "${at} + 8192")
endwhile()
file(WRITE "${OUT}" "// Made from ${PAGE} by embed.cmake.
#include <array>
#include <span>
#include <string_view>

namespace sluice::proxy {
namespace {

using namespace std::literals;
constexpr auto parts = std::to_array<std::string_view>({
${parts}});

}  // namespace

extern const std::span<const std::string_view> dashboard_parts;
constinit const std::span<const std::string_view> dashboard_parts{parts};

}  // namespace sluice::proxy
")
