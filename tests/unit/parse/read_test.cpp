// Folders as they are found: links in circles, pipes, binaries, compressed and rotated logs, files of nobody.
#include "parse/read.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "source/live_host.hpp"
#include "support/catch.hpp"

namespace {

namespace fs = std::filesystem;

const std::string line = "[2026-11-22 10:31:07 +0000] [7] [INFO] Booting worker with pid: 9\n";

// A folder of its own that ends with the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("triage-read-" + std::to_string(::getpid()) + "-" + std::to_string(std::rand()));
  Folder() { fs::create_directories(path); }
  ~Folder() { std::error_code ignored; fs::remove_all(path, ignored); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name, std::ios::binary) << text; }
};

struct Looked { evidence::Evidence evidence; std::size_t understood = 0; };

Looked look(const Folder& folder, const parse::Limits& limits = {}) {
  Looked result;
  result.understood = parse::read(source::LiveHost{}, {folder.path.string()}, {}, result.evidence, limits);
  return result;
}

std::string gaps(const Looked& looked, const Folder& folder) {
  std::string all;
  for (const auto& gap : looked.evidence.gaps) all += gap.wanted + ": " + gap.reason + " (" + std::to_string(gap.count) + ")\n";
  for (std::size_t at; (at = all.find(folder.path.string())) != std::string::npos;) all.replace(at, folder.path.string().size(), "DIR");
  return all;
}

}  // namespace

TEST_CASE("a folder is walked once, whatever its links do") {
  Folder folder;
  fs::create_directories(folder.path / "deep" / "er");
  folder.write("deep/er/error.log", line);
  fs::create_directory_symlink(folder.path, folder.path / "deep" / "loop");
  fs::create_symlink(folder.path / "deep" / "er" / "error.log", folder.path / "same.log");
  fs::create_symlink(folder.path / "nowhere", folder.path / "broken");
  const Looked looked = look(folder);
  CHECK(looked.understood == 1);
  CHECK(looked.evidence.facts.size() == 1);
  CHECK(gaps(looked, folder) == "DIR/broken: looking at DIR/broken: No such file or directory (1)\n");
}

TEST_CASE("what is no log is passed over and counted") {
  Folder folder;
  folder.write("error.log", line);
  folder.write("core", std::string("\x7f" "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0>\0\x01\0\0\0", 24) + std::string(100, '\0') + std::string("\x01\0\x02\0", 4));
  folder.write("label.json", "{\n \"cause\": \"x\"\n}\n");
  folder.write("empty.log", "");
  REQUIRE(::mkfifo((folder.path / "pipe").c_str(), 0600) == 0);
  const Looked looked = look(folder);
  CHECK(looked.understood == 1);
  CHECK(looked.evidence.sources.size() == 2);  // the log, and the empty one: that it is empty may matter
  CHECK(gaps(looked, folder) ==
        "files not understood: their content is no log or configuration that is known here (2)\n"
        "pipes, sockets and devices: they are no files: reading one could wait for ever (1)\n");
}

TEST_CASE("a compressed log, and one that is damaged") {
  Folder folder;
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "[2026-11-22 10:31:07 +0000] [7] [INFO] Booting worker with pid: " + std::to_string(1000 + i * 7919 % 30000) + "\n";
  gzFile file = ::gzopen((folder.path / "a.gz").c_str(), "wb");
  ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  ::gzclose(file);
  Looked looked = look(folder);
  CHECK(looked.evidence.facts.size() == 20000);
  CHECK(looked.evidence.sources.at(0).bytes == text.size());
  fs::resize_file(folder.path / "a.gz", fs::file_size(folder.path / "a.gz") / 2);
  looked = look(folder);
  CHECK(looked.evidence.facts.size() > 1000);
  CHECK(looked.evidence.sources.at(0).lost);
  CHECK(gaps(looked, folder) == "the rest of DIR/a.gz: decompressing gzip: the file ends in the middle of the stream (1)\n");
}

TEST_CASE("a log after copytruncate, with CRLF, bad bytes, a vast line and a torn end") {
  Folder folder;
  folder.write("error.log", std::string(1 << 20, '\0') + "[2026-11-22 10:31:07 +0000] [7] [INFO] Booting worker with pid: 8\r\n\xff\xfe\n" + std::string(1 << 20, 'x') + "\n" + line + "[2026-11-22 10:31:09 +0000] [7] [CRITICAL] WORKER TIM");
  const Looked looked = look(folder);
  REQUIRE(looked.evidence.facts.size() == 2);
  CHECK(looked.evidence.facts[0].about.pid == 8);
  CHECK(looked.evidence.facts[1].origin.line == 4);
  CHECK(looked.evidence.sources.at(0).lines == 5);
  CHECK(gaps(looked, folder) == "the ends of long lines: lines of DIR/error.log are longer than 64 KiB and were read up to there (1)\n");
}

TEST_CASE("limits end the walk and say so") {
  Folder folder;
  for (int i = 0; i < 5; ++i) folder.write(std::to_string(i) + ".log", line);
  fs::create_directories(folder.path / "a" / "b" / "c");
  parse::Limits limits;
  limits.most_files = 3;
  limits.deepest = 2;
  const Looked looked = look(folder, limits);
  CHECK(looked.understood == 3);
  CHECK(gaps(looked, folder) ==
        "more files: only the first 3 were read (2)\n"
        "files in deep folders: folders are nested deeper than 2 (1)\n");
}

TEST_CASE("stamps without a year take it from the other logs") {
  Folder folder;
  folder.write("error.log", line);
  folder.write("syslog", "Nov 22 10:31:05 web1 gunicorn[7]: Worker exiting (pid: 9)\n");
  const Looked looked = look(folder);
  REQUIRE(looked.evidence.facts.size() == 2);
  CHECK(base::iso(*looked.evidence.facts[1].when) == "2026-11-22T10:31:05");
  CHECK(base::iso(*looked.evidence.sources[1].last) == "2026-11-22T10:31:05");
}

TEST_CASE("records that are missing in /dev/kmsg are counted, whoever reads those between") {
  const std::string kernel = "6,5,1000000,-;Linux version 6.1.0\n6,6,1100000,-;x\n", own = "30,7,1200000,-;systemd[1]: Starting x.service - X...\n30,8,1300000,-;systemd[1]: Mounted y.mount - Y.\n";
  const auto told = [](std::string text) {
    evidence::Evidence evidence;
    const auto stream = source::memory_stream(std::move(text));
    parse::read_stream(*stream, "/dev/kmsg", {}, evidence);
    return std::pair{evidence.sources.at(0).lost, evidence.gaps.empty() ? std::size_t{0} : evidence.gaps[0].count};
  };
  CHECK(told(kernel + own + "6,9,1400000,-;y\n") == std::pair{false, std::size_t{0}});
  CHECK(told(kernel + own + "6,11,1400000,-;y\n") == std::pair{true, std::size_t{2}});
}

TEST_CASE("a copy of a log, or of its beginning, is read once") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "[2026-11-22 10:31:07 +0000] [7] [INFO] Booting worker with pid: " + std::to_string(100 + i) + "\n";
  folder.write("error.log", text);
  folder.write("error.log.bak", text);
  folder.write("error.log.older", text.substr(0, 9000));
  folder.write("other.log", text.substr(0, 9000) + "[2026-11-22 10:31:07 +0000] [7] [INFO] Booting worker with pid: 999\n");
  CHECK(look(folder).understood == 2);
  // A few lines may be the same by chance.
  folder.write("a.log", line);
  folder.write("b.log", line);
  CHECK(look(folder).understood == 4);
}
