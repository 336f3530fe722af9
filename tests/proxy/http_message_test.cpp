#include "proxy/http_message.hpp"

#include <gmock/gmock.h>

namespace sluice::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(HttpRequest, SplitsAndDecodesItsTarget) {
  HttpRequest request;
  ASSERT_TRUE(request.set_target("/api/back%65nds/db%2F1?like=r%25&x=a+b&&flag#top"));
  EXPECT_EQ(request.path, "/api/backends/db/1");
  EXPECT_THAT(request.query, ElementsAre(Pair("like", "r%"), Pair("x", "a b"), Pair("flag", "")));
  EXPECT_EQ(request.parameter("x"), "a b");
  EXPECT_EQ(request.parameter("y"), "");
}

TEST(HttpRequest, KeepsAPlusInThePath) {
  HttpRequest request;
  ASSERT_TRUE(request.set_target("/a+b"));
  EXPECT_EQ(request.path, "/a+b");
  EXPECT_THAT(request.query, IsEmpty());
}

TEST(HttpRequest, RefusesTargetsThatAreNone) {
  HttpRequest request;
  for (const char* target : {"", "api", "*", "http://x/", "/%", "/%4", "/%zz", "/?a=%"})
    EXPECT_FALSE(request.set_target(target)) << target;
}

TEST(HttpRequest, FindsFieldsWhateverTheirCase) {
  HttpRequest request;
  request.fields = {{"Host", "a"}, {"x-sluice-change", "t"}};
  EXPECT_EQ(request.field("host"), "a");
  EXPECT_EQ(request.field("X-Sluice-Change"), "t");
  EXPECT_EQ(request.field("Hos"), "");
}

}  // namespace
}  // namespace sluice::proxy
