#include "model/settings.hpp"

#include "support/catch.hpp"

namespace {

using evidence::Evidence;
using evidence::SourceKind;

struct Seen {
  Evidence evidence;

  evidence::SourceId source(std::string name, SourceKind kind) {
    evidence::Source one;
    one.name = std::move(name);
    one.kind = kind;
    return evidence.add_source(std::move(one));
  }
  evidence::FactId add(evidence::What what, evidence::SourceId source, std::uint32_t line = 1, int pid = 0) {
    evidence::Fact fact;
    fact.what = std::move(what);
    fact.origin = {source, line, 1, 0};
    fact.about.pid = pid;
    return evidence.add(std::move(fact));
  }
  Seen& command(std::string args, std::string environment = "", SourceKind kind = SourceKind::command, int pid = 0) {
    add(evidence::ServerCommand{std::move(args), std::move(environment)}, source("cmdline", kind), 1, pid);
    return *this;
  }
  Seen& file(std::string name, std::vector<evidence::SettingRead> reads) {
    const auto id = source(std::move(name), SourceKind::config);
    std::uint32_t line = 0;
    for (auto& read : reads) add(std::move(read), id, ++line);
    return *this;
  }
};

evidence::SettingRead set(std::string name, std::string value, std::string condition = "", bool literal = true) { return {std::move(name), std::move(value), "file", std::move(condition), literal}; }

// value[ when]|value from where
std::string shown(const model::EffectiveSettings& all, const std::string& name) {
  const auto found = all.settings.find(name);
  if (found == all.settings.end()) return "(none)";
  std::string text;
  for (const auto& possible : found->second.values) text += (text.empty() ? "" : "|") + possible.value + (possible.when.empty() ? "" : " [" + possible.when + "]");
  constexpr const char* from[] = {"unknown", "built_in", "configured", "inherited"};
  return text + " " + from[static_cast<int>(found->second.from)] + " " + found->second.where;
}

model::EffectiveSettings of(const Seen& seen, std::string version = "23.0.0") {
  model::SettingsOf asked;
  asked.version = std::move(version);
  return model::effective_settings(seen.evidence, asked);
}

}  // namespace

TEST_CASE("defaults come from the version") {
  const auto all = of(Seen().command("gunicorn app:app"));
  CHECK(shown(all, "timeout") == "30 built_in default of 23.0.0");
  CHECK(shown(all, "worker_class") == "sync built_in default of 23.0.0");
  CHECK(all.settings.at("timeout").unit == "s");
  CHECK(shown(all, "wsgi_app") == "app:app configured command line");
  CHECK(shown(all, "protocol") == "(none)");
  CHECK(all.gaps.empty());
  const auto unknown = of(Seen().command("gunicorn app:app"), "");
  CHECK(shown(unknown, "timeout") == "30 built_in default");
  CHECK(shown(unknown, "forwarded_allow_ips") == "127.0.0.1 [gunicorn before 23.0]|127.0.0.1,::1 [gunicorn 23.0 or later] built_in default");
}

TEST_CASE("each layer is stronger than the one before") {
  Seen seen;
  seen.command("gunicorn -t 9 app:app", "WEB_CONCURRENCY=2\nPORT=5000\nGUNICORN_CMD_ARGS=--graceful-timeout 7 -t 8");
  CHECK(shown(of(seen), "workers") == "2 configured environment WEB_CONCURRENCY");
  CHECK(shown(of(seen), "bind") == "0.0.0.0:5000 configured environment PORT");
  seen.file("/srv/gunicorn.conf.py", {set("workers", "4"), set("timeout", "60"), set("graceful_timeout", "50"), set("keepalive", "5")});
  const auto all = of(seen);
  CHECK(shown(all, "workers") == "4 configured /srv/gunicorn.conf.py:1:1");
  CHECK(shown(all, "keepalive") == "5 configured /srv/gunicorn.conf.py:4:1");
  CHECK(shown(all, "graceful_timeout") == "7 configured GUNICORN_CMD_ARGS");
  CHECK(shown(all, "timeout") == "9 configured command line");
  CHECK(all.config == "/srv/gunicorn.conf.py");
}

TEST_CASE("only the file that is named counts") {
  Seen seen;
  seen.command("gunicorn -c conf/other.py app:app").file("b/gunicorn.conf.py", {set("workers", "4")}).file("b/conf/other.py", {set("timeout", "60")});
  CHECK(shown(of(seen), "workers") == "1 built_in default of 23.0.0");
  CHECK(shown(of(seen), "timeout") == "60 configured b/conf/other.py:1:1");
  Seen missing;
  missing.command("gunicorn -c other.py -w 3 app:app").file("gunicorn.conf.py", {set("timeout", "60")});
  const auto all = of(missing);
  CHECK(shown(all, "timeout") == " unknown other.py was not seen");
  CHECK(shown(all, "workers") == "3 configured command line");
  REQUIRE(all.gaps.size() == 1);
  CHECK(all.gaps.front().reason == "the start command names this file, and it was not given");
  Seen two;
  two.command("gunicorn app:app").file("a/gunicorn.conf.py", {set("timeout", "60")}).file("b/gunicorn.conf.py", {set("timeout", "70")});
  CHECK(shown(of(two), "timeout") == " unknown gunicorn.conf.py was not seen");
  CHECK(of(two).gaps.front().reason == "2 files may be meant: a/gunicorn.conf.py, b/gunicorn.conf.py");
  Seen other;
  other.command("gunicorn app:app").file("my_conf.py", {set("timeout", "60")});
  CHECK(shown(of(other), "timeout") == "30 built_in default of 23.0.0");
}

TEST_CASE("without its start command only the file is known") {
  const auto all = of(Seen().file("c.py", {set("timeout", "60")}));
  CHECK(shown(all, "timeout") == "60 configured c.py:1:1");
  CHECK(shown(all, "workers") == " unknown the start command was not seen");
  CHECK(all.gaps.size() == 1);
}

TEST_CASE("values that depend") {
  Seen seen;
  seen.command("gunicorn app:app").file("gunicorn.conf.py", {set("timeout", "120", "ENV == 'production'"), set("timeout", "30", "not (ENV == 'production')"), set("reload", "True", "DEBUG"),
                                                             {"reload", "", "default", "not (DEBUG)", true}, set("workers", "", "", false), set("threads", "cpu_count()", "", false)});
  const auto all = of(seen);
  CHECK(shown(all, "timeout") == "120 [ENV == 'production']|30 [not (ENV == 'production')] configured gunicorn.conf.py:1:1");
  CHECK(shown(all, "reload") == "True [DEBUG]|False [not (DEBUG)] configured gunicorn.conf.py:3:1");
  CHECK(shown(all, "workers") == " configured gunicorn.conf.py:5:1");
  CHECK(shown(all, "threads") == "cpu_count() configured gunicorn.conf.py:6:1");
}

TEST_CASE("the environment decides where it was seen") {
  const std::vector<evidence::SettingRead> reads{set("workers", "4", "WEB_CONCURRENCY is not set"), set("workers", "", "WEB_CONCURRENCY is set", false)};
  CHECK(shown(of(Seen().command("gunicorn a:b").file("gunicorn.conf.py", reads)), "workers") == "4 [WEB_CONCURRENCY is not set]| [WEB_CONCURRENCY is set] configured gunicorn.conf.py:1:1");
  CHECK(shown(of(Seen().command("gunicorn a:b", "PORT=1", SourceKind::proc).file("gunicorn.conf.py", reads)), "workers") == "4 configured gunicorn.conf.py:1:1");
  CHECK(shown(of(Seen().command("gunicorn a:b", "WEB_CONCURRENCY=3").file("gunicorn.conf.py", reads)), "workers") == " configured gunicorn.conf.py:2:1");
}

TEST_CASE("threads make a thread worker of sync") {
  CHECK(shown(of(Seen().command("gunicorn --threads 4 a:b")), "worker_class") == "gthread inherited threads = 4 at command line");
  CHECK(shown(of(Seen().command("gunicorn --threads 4 -k gevent a:b")), "worker_class") == "gevent configured command line");
  CHECK(shown(of(Seen().command("gunicorn --threads 1 a:b")), "worker_class") == "sync built_in default of 23.0.0");
}

TEST_CASE("a file that was changed after it was read is not trusted") {
  Seen seen;
  seen.command("gunicorn -w 2 a:b").file("/srv/gunicorn.conf.py", {set("timeout", "60"), set("workers", "9")});
  const auto changed = seen.add(evidence::FileChanged{"/srv/gunicorn.conf.py", "config"}, 0);
  seen.evidence.facts[changed].when = base::Instant{base::Clock::wall, 2'000'000'000'000, 0};
  model::SettingsOf asked;
  asked.version = "23.0.0";
  CHECK(shown(model::effective_settings(seen.evidence, asked), "timeout") == "60 configured /srv/gunicorn.conf.py:1:1");
  asked.read_at = base::Instant{base::Clock::wall, 3'000'000'000'000, 0};
  CHECK(shown(model::effective_settings(seen.evidence, asked), "timeout") == "60 configured /srv/gunicorn.conf.py:1:1");
  asked.read_at = base::Instant{base::Clock::wall, 1'000'000'000'000, 0};
  const auto all = model::effective_settings(seen.evidence, asked);
  CHECK(shown(all, "timeout") == " unknown /srv/gunicorn.conf.py was changed after the server read it");
  CHECK(shown(all, "workers") == "2 configured command line");
  REQUIRE(all.gaps.size() == 1);
}

TEST_CASE("which start command") {
  Seen seen;
  seen.command("gunicorn -w 2 a:b", "", SourceKind::config).command("gunicorn -w 3 a:b").command("gunicorn -w 4 a:b", "", SourceKind::proc, 70).command("gunicorn -w 5 a:b", "", SourceKind::proc, 80);
  model::SettingsOf asked;
  asked.version = "23.0.0";
  asked.master = 80;
  CHECK(shown(model::effective_settings(seen.evidence, asked), "workers") == "5 configured command line");
  asked.master = 0;
  const auto both = model::effective_settings(seen.evidence, asked);
  CHECK(shown(both, "workers") == "4 [started as: gunicorn -w 4 a:b]|5 [started as: gunicorn -w 5 a:b] configured command line");
  CHECK(shown(both, "timeout") == "30 built_in default of 23.0.0");
  CHECK(both.gaps.size() == 1);
  asked.belongs = [](const evidence::Fact& fact) { return fact.about.pid == 0; };
  CHECK(shown(model::effective_settings(seen.evidence, asked), "workers") == "3 configured command line");
}

TEST_CASE("other flavours have none here") {
  model::SettingsOf asked;
  asked.flavour = "puma";
  CHECK(model::effective_settings(Seen().command("gunicorn a:b").evidence, asked).settings.empty());
}
