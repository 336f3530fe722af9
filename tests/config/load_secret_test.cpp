#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/load.hpp"

namespace sluice::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// A folder of its own, with a configuration whose monitor password is `line`.
class PasswordSources : public testing::Test {
 protected:
  PasswordSources() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~PasswordSources() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    ASSERT_EQ(::chmod((folder_ / name).c_str(), mode), 0);
  }

  Loaded load(const std::string& line) {
    write("sluice.toml", "[monitor]\nuser = \"m\"\n" + line +
                             "\n[[backend]]\nname = \"db1\"\naddress = \"10.0.0.1\"\n"
                             "[[user]]\nname = \"app\"\n");
    return load_file(folder_ / "sluice.toml");
  }

  std::filesystem::path folder_;
};

TEST_F(PasswordSources, ReadsAFileBesideTheConfigurationWithoutItsNewline) {
  for (const char* text : {"s3cret", "s3cret\n", "s3cret\r\n"}) {
    write("monitor.password", text);
    const Loaded loaded = load("password_file = \"monitor.password\"");
    EXPECT_THAT(loaded.problems, IsEmpty());
    EXPECT_EQ(loaded.settings.monitor.password.reveal(), "s3cret");
  }
}

TEST_F(PasswordSources, KeepsSpacesOfAPassword) {
  write("monitor.password", " s3 cret \n");
  EXPECT_EQ(load("password_file = \"monitor.password\"").settings.monitor.password.reveal(),
            " s3 cret ");
}

TEST_F(PasswordSources, WarnsOfAFileThatEveryoneMayRead) {
  write("monitor.password", "s3cret\n", 0644);
  const Loaded loaded = load("password_file = \"monitor.password\"");
  EXPECT_TRUE(loaded.ok());
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_EQ(loaded.problems[0].severity, Problem::Severity::warning);
  EXPECT_EQ(loaded.problems[0].line, 3U);
  EXPECT_EQ(loaded.settings.monitor.password.reveal(), "s3cret");
}

TEST_F(PasswordSources, RefusesFilesThatHoldNoPassword) {
  write("empty", "\n");
  write("two_lines", "one\ntwo\n");
  for (const char* name : {"absent", "empty", "two_lines", "."}) {
    const Loaded loaded = load("password_file = \"" + std::string(name) + "\"");
    EXPECT_FALSE(loaded.ok()) << name;
    ASSERT_EQ(loaded.problems.size(), 1U) << name;
    EXPECT_EQ(loaded.problems[0].key, "monitor.password_file");
  }
}

TEST_F(PasswordSources, ReadsTheEnvironment) {
  ASSERT_EQ(::setenv("SLUICE_TEST_PASSWORD", "s3cret", 1), 0);
  const Loaded loaded = load("password_env = \"SLUICE_TEST_PASSWORD\"");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.settings.monitor.password.reveal(), "s3cret");
}

TEST_F(PasswordSources, DoesNotRepeatAPasswordThatWasPutUnderTheWrongKey) {
  const Loaded loaded = load("password_env = \"hunter2\"");
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_FALSE(loaded.ok());
  EXPECT_THAT(to_string(loaded.problems[0]), testing::Not(HasSubstr("hunter2")));
}

TEST_F(PasswordSources, DoesNotRepeatAPasswordWithoutQuotes) {
  const Loaded loaded = load("password = 12345678");
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_THAT(to_string(loaded.problems[0]), testing::Not(HasSubstr("12345678")));
}

TEST_F(PasswordSources, RefusesTwoAtOnce) {
  const Loaded loaded = load("password = \"a\"\npassword_env = \"PATH\"");
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_EQ(loaded.problems[0].what, "is given twice, also in line 3");
}

TEST_F(PasswordSources, TakesTlsFilesFromTheFolderOfTheConfiguration) {
  write("cert.pem", "x");
  write("key.pem", "x");
  const Loaded loaded = load("[listen]\ncertificate = \"cert.pem\"\nkey = \"" +
                             (folder_ / "key.pem").string() + "\"");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.settings.listen.certificate, folder_ / "cert.pem");
  EXPECT_EQ(loaded.settings.listen.key, folder_ / "key.pem");
}

TEST_F(PasswordSources, TellsOfTlsFilesThatAreMissing) {
  const Loaded loaded = load("[listen]\ncertificate = \"no.pem\"\nkey = \"nokey.pem\"");
  ASSERT_EQ(loaded.problems.size(), 2U);
  EXPECT_THAT(loaded.problems[0].what, HasSubstr("No such file"));
}

TEST(LoadFile, TellsThatThereIsNoFile) {
  const Loaded loaded = load_file("/nonexistent/sluice.toml");
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_EQ(to_string(loaded.problems[0]),
            "/nonexistent/sluice.toml: cannot read it: No such file or directory; check the path");
}

}  // namespace
}  // namespace sluice::config
