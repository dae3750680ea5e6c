#include "source/bundle.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#include <fstream>

#include "source/recorded_host.hpp"
#include "source/tar.hpp"
#include "support/catch.hpp"

namespace {

// A file of our own below the temporary folder, gone with the value.
struct Scratch {
  std::string path;
  explicit Scratch(std::string_view bytes) {
    char name[] = "/tmp/triage-unit-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~Scratch() { std::remove(path.c_str()); }
};

std::string packed(const source::Files& files) {
  auto bytes = source::pack(files, 1'795'350'000);
  REQUIRE(bytes);
  return *bytes;
}

base::Result<std::map<std::string, std::string>> untar(std::string bytes) {
  const auto stream = source::memory_stream(std::move(bytes));
  const auto plain = source::decompressed(source::memory_stream(*source::slurp(*stream, 64 << 20)));
  return source::read_tar(*plain, {1 << 20, 10});
}

}  // namespace

TEST_CASE("what is packed comes back, long names and all bytes too") {
  const std::string all("\0\x01\xff bytes\n", 10), deep = std::string(150, 'd') + "/" + std::string(120, 'n');
  const auto files = untar(packed({{"a", ""}, {"proc/1/stat", all}, {deep, "x"}}));
  REQUIRE(files);
  CHECK(*files == std::map<std::string, std::string>{{"triage-bundle/a", ""}, {"triage-bundle/proc/1/stat", all}, {"triage-bundle/" + deep, "x"}});
}

TEST_CASE("an archive that leads out of itself, is damaged or too large is refused") {
  source::TarWriter out;
  out.add("../../etc/cron.d/x", "boo");
  CHECK(untar(*out.finish()).error().answer == "it names a path outside of itself: ../../etc/cron.d/x");
  source::TarWriter large;
  large.add("a", std::string(2 << 20, 'x'));
  CHECK(untar(*large.finish()).error().answer == "it holds more than 1 MiB");
  source::TarWriter many;
  for (int i = 0; i < 11; ++i) many.add("f" + std::to_string(i), "x");
  CHECK(untar(*many.finish()).error().answer == "it holds more than 10 files");
  CHECK(untar(std::string(512, 'x')).error().answer == "it is no tar archive");
  const std::string whole = packed({{"a", std::string(100'000, 'q')}});
  CHECK_FALSE(untar(whole.substr(0, whole.size() / 2)));
}

TEST_CASE("a recorded look answers as the host did") {
  source::TextHost inner({{"/proc/12/stat", "12 (x) S"}, {"/var/log/web.log", "one\ntwo\n"}});
  const source::RecordingHost host(inner);
  CHECK(*host.read("/proc/12/stat", 100) == "12 (x) S");
  CHECK_FALSE(host.read("/absent", 100));
  auto stream = host.open("/var/log/web.log");
  REQUIRE(stream);
  CHECK(*source::slurp(**stream, 100) == "one\ntwo\n");
  REQUIRE(host.stat("/var/log/web.log"));

  source::Files files = host.files();
  files["proc/12/fd/3.link"] = "/tmp/wgunicorn-x (deleted)\n";
  files["evidence.ndjson"] = "";
  const Scratch file(packed(files));
  CHECK(source::is_bundle(file.path));
  auto again = source::open_bundle(file.path);
  REQUIRE(again);
  CHECK((*again)->kind() == "bundle");
  CHECK(*(*again)->read("/proc/12/stat", 100) == "12 (x) S");
  CHECK(*(*again)->link("/proc/12/fd/3") == "/tmp/wgunicorn-x (deleted)");
  CHECK((*again)->stat("/var/log/web.log")->size == 8);
  const auto fds = (*again)->list("/proc/12/fd");
  REQUIRE(fds);
  REQUIRE(fds->size() == 1);
  CHECK(fds->front().name == "3");
  CHECK(fds->front().kind == source::EntryKind::link);
  CHECK_FALSE((*again)->read("/proc/99/stat", 100));
}

TEST_CASE("a long log keeps its beginning and its end, in whole lines") {
  std::string log;
  for (int i = 0; i < 1000; ++i) log += "line " + std::to_string(i) + "\n";
  source::TextHost inner({{"/log", log}});
  const source::RecordingHost host(inner, {100, 200, 1 << 20});
  auto stream = host.open("/log");
  REQUIRE(stream);
  REQUIRE(source::slurp(**stream, 1 << 20));
  const std::string kept = host.files().at("log");
  CHECK(kept.substr(0, 14) == "line 0\nline 1\n");
  CHECK(kept.substr(kept.size() - 18) == "line 998\nline 999\n");
  CHECK(kept.size() <= 300);
}

TEST_CASE("a secret planted anywhere is in no byte of the bundle") {
  // The same canary in every dress it wears on a server.
  const std::string canary = "C4nary/Pa55+word";
  const std::string in_json = "C4nary\\/Pa55+word", in_url = "C4nary%2FPa55%2Bword", base64_pair = "YXBwOkM0bmFyeS9QYTU1K3dvcmQ=", base64_alone = "QzRuYXJ5L1BhNTUrd29yZA==";
  source::Files files;
  files["proc/7/environ"] = std::string("HOME=/srv") + '\0' + "DATABASE_URL=postgres://app:" + in_url + "@db/x" + '\0' + "DB_PASSWORD=" + canary + '\0';
  files["proc/7/cmdline"] = std::string("gunicorn") + '\0' + "--env" + '\0' + "API_TOKEN=" + canary + '\0';
  files["srv/gunicorn.conf.py"] = "raw_env = ['SECRET=" + canary + "']\n";
  files["var/log/app.log"] = "cannot log in with " + canary + "\n{\"url\": \"postgres:\\/\\/app:" + in_json + "@db\\/x\"}\nGET /?next=" + in_url + " HTTP/1.1\nAuthorization: Basic " + base64_pair +
                             "\nbare " + base64_pair + "\nalone " + base64_alone + "\n";
  files["evidence.ndjson"] = "{\"text\":\"{\\\"password\\\": \\\"" + canary + "\\\"}\"}\n";
  files["a" + canary + ".link"] = "/x/" + canary + "\n";

  source::Redactor redactor;
  std::string all;
  for (const auto& [name, text] : source::redacted(files, redactor, {})) all += name + "\n" + text + "\n";
  for (const auto& dress : {canary, in_json, in_url, base64_pair, base64_alone}) {
    INFO(all);
    CHECK(all.find(dress) == std::string::npos);
  }
  CHECK(all.find("HOME=[redacted-") != std::string::npos);
  CHECK(all.find("cannot log in with [redacted-") != std::string::npos);
}
