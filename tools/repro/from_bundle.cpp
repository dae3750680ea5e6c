#include "from_bundle.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "base/text.hpp"
#include "probe/child.hpp"
#include "reproduce/child.hpp"
#include "reproduce/from_report.hpp"
#include "reproduce/scenario.hpp"
#include "reproduce/verdict.hpp"
#include "source/bundle.hpp"
#include "source/live_host.hpp"

namespace repro {

namespace {

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "triage-repro: %s\n", base::printable(base::sentence(error), 2000).c_str());
  return code;
}

// nginx's limits as they count for a request; nothing where the paths hold no configuration.
std::string chain_of(const std::vector<std::string>& paths) {
  const std::string program = reproduce::program("triage-timeouts");
  if (program.empty()) return {};
  std::vector<std::string> words{program, "--format", "json"};
  words.insert(words.end(), paths.begin(), paths.end());
  const auto got = probe::run(words, 60'000, 8 << 20);
  return got && !got->late ? got->out : std::string();
}

// A file that it includes lies beside it, wherever it lay there; never this machine's own of that name.
parse::nginx::Tree tree_at(const std::string& main) {
  const source::LiveHost host;
  const std::string folder = main.substr(0, main.rfind('/') + 1);
  const auto beside = [&](const std::string& path) {
    constexpr std::string_view usual = "/etc/nginx/";
    const std::string near = folder + (path.starts_with(usual) ? path.substr(usual.size()) : path.substr(path.rfind('/') + 1));
    return path.starts_with(folder) ? path : host.stat(near) || near.find_first_of("*?[") != std::string::npos ? near : std::string();
  };
  return parse::nginx::read_tree(host, "", main, beside);
}

// The incident's configuration of nginx: of a bundle, or the first file among these paths (or in these folders) that passes requests on.
std::optional<parse::nginx::Tree> nginx_of(const std::vector<std::string>& paths) {
  const source::LiveHost host;
  for (const std::string& path : paths) {
    if (source::is_bundle(path)) {
      const auto bundle = source::open_bundle(path);
      if (bundle && (*bundle)->stat("/etc/nginx/nginx.conf")) return parse::nginx::read_tree(**bundle, "", "/etc/nginx/nginx.conf");
      continue;
    }
    std::error_code error;
    const std::string whole = std::filesystem::absolute(path, error).lexically_normal();
    for (const std::string& file : {whole, whole + "/nginx.conf", whole + "/nginx/nginx.conf", whole + "/etc/nginx/nginx.conf"}) {
      const auto about = host.stat(file);
      if (!about || about->kind != source::EntryKind::file || !file.ends_with(".conf")) continue;
      const auto text = host.read(file, 1 << 20);
      if (text && base::contains(*text, "_pass")) return tree_at(file);
    }
  }
  return std::nullopt;
}

}  // namespace

int from_bundle(const Options& options) {
  std::vector<std::string> words{"--from"};
  words.insert(words.end(), options.scenarios.begin(), options.scenarios.end());
  const auto report = reproduce::ask_triage(words);
  if (!report) return fail(report.error(), 3);
  const auto nginx = nginx_of(options.scenarios);
  const auto made = reproduce::scenario_of(*report, chain_of(options.scenarios), options.scenarios.front(), nginx ? &*nginx : nullptr);
  if (!made) return fail(made.error(), 3);
  const std::string path = options.output + "/scenario.json";
  if (const auto read = reproduce::read_scenario(made->text, path); !read) return fail(read.error(), 4);
  if (::mkdir(options.output.c_str(), 0755) != 0 && errno != EEXIST) return fail(base::from_errno(errno, "making the folder " + options.output), 3);
  if (!reproduce::write_file(path, made->text)) return fail(base::from_errno(errno, "writing " + path), 3);
  std::printf("%s: %s, after %s\n", base::printable(path, 300).c_str(), made->rule.c_str(), made->base.c_str());
  for (const std::string& one : made->assumed) std::printf("  assumed: %s\n", base::printable(one, 300).c_str());
  std::printf("  to see it happen: triage-repro run %s\n", base::printable(path, 300).c_str());
  return 0;
}

}  // namespace repro
