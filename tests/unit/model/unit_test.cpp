#include "model/unit.hpp"

#include <cmath>

#include "scene.hpp"
#include "support/catch.hpp"

using namespace scene;

namespace {

constexpr const char* own = "/etc/systemd/system/web.service";
constexpr const char* drop_in = "/etc/systemd/system/web.service.d/limits.conf";

struct Units : Scene {
  Units() { started(0, 450, {451}); }
  SourceId file(const std::string& name) {
    for (SourceId i = 0; i < evidence.sources.size(); ++i)
      if (evidence.sources[i].name == name) return i;
    return source(name, SourceKind::config);
  }
  FactId sets(const std::string& path, std::uint32_t line, const std::string& key, const std::string& value, const std::string& unit = "web.service") {
    Fact fact;
    fact.what = SettingRead{"systemd." + key, value, "file", "", true};
    fact.about.unit = unit;
    fact.origin.source = file(path);
    fact.origin.line = line;
    fact.origin.column = 1;
    return evidence.add(std::move(fact));
  }
  void starts(const std::string& path, const std::string& args, const std::string& unit = "web.service") {
    Fact fact;
    fact.what = ServerCommand{args, ""};
    fact.about.unit = unit;
    fact.origin.source = file(path);
    evidence.add(std::move(fact));
  }
  void seen(int master, const std::string& unit, const std::string& files) {
    Fact fact;
    fact.what = UnitSeen{"system", files};
    fact.about = {master, PidSpace::host, unit};
    fact.when = wall(0);
    evidence.add(std::move(fact));
  }
  void changed(const std::string& path, double second) {
    Fact fact;
    fact.what = FileChanged{path, "unit"};
    fact.when = wall(second);
    evidence.add(std::move(fact));
  }
};

std::string said(const model::Unit& unit, const std::string& key) {
  const auto found = unit.settings.find(key);
  if (found == unit.settings.end()) return "none";
  const auto& setting = found->second;
  return (setting.values.empty() ? "?" : setting.values.front().value) + setting.unit + " " + setting.where;
}

}  // namespace

TEST_CASE("a drop-in counts over the unit's file, and systemd's own values below both") {
  Units scene;
  scene.starts(own, "gunicorn app:app");
  scene.sets(own, 3, "TimeoutStopSec", "1min 30s");
  scene.sets(own, 4, "MemoryMax", "512M");
  scene.sets(own, 5, "KillMode", "mixed");
  scene.sets(drop_in, 2, "TimeoutStopSec", "5");
  scene.sets(drop_in, 3, "KillMode", "");
  scene.sets("/etc/systemd/system/web.socket", 2, "ListenStream", "/run/web.sock", "web.socket");
  scene.sets("/etc/systemd/system/web.socket", 3, "ListenStream", "8000", "web.socket");
  scene.sets("/etc/systemd/system.conf", 9, "DefaultLimitNOFILE", "4096", "");
  const auto stack = model::build(scene.evidence);
  REQUIRE(stack.units.size() == 1);
  const model::Unit& unit = stack.units[0];
  CHECK(stack.servers.at(0).unit == 0);
  CHECK(said(unit, "TimeoutStopSec") == std::string("5s ") + drop_in + ":2:1");
  CHECK(said(unit, "MemoryMax") == std::string("536870912bytes ") + own + ":4:1");
  CHECK(said(unit, "KillMode") == "control-group systemd's default");
  CHECK(said(unit, "LimitNOFILE") == "4096 /etc/systemd/system.conf:9:1");
  CHECK(said(unit, "ListenStream") == "/run/web.sock 8000 /etc/systemd/system/web.socket:3:1");
  CHECK(model::number_setting(unit, "TimeoutStopSec") == 5.0);
  CHECK(stack.hops.back().role == "supervisor");
}

TEST_CASE("what a file that was changed after the start says is not known to be in force") {
  Units scene;
  scene.seen(450, "web.service", std::string(own) + " " + drop_in);
  scene.sets(own, 3, "TimeoutStopSec", "90");
  scene.sets(own, 4, "KillMode", "mixed");
  scene.sets(drop_in, 2, "TimeoutStopSec", "5");
  scene.changed(own, -100);
  scene.changed(drop_in, 100);
  const auto stack = model::build(scene.evidence);
  REQUIRE(stack.units.size() == 1);
  CHECK(stack.units[0].settings.at("TimeoutStopSec").from == model::From::unknown);
  CHECK_FALSE(model::number_setting(stack.units[0], "TimeoutStopSec"));
  CHECK(model::text_setting(stack.units[0], "KillMode") == "mixed");
  REQUIRE_FALSE(stack.gaps.empty());
  CHECK(stack.gaps.back().wanted == std::string("settings of ") + drop_in);
}

TEST_CASE("a server has the unit that started it, by pid, by the journal, by its command, or because there is one") {
  SECTION("by pid") {
    Units scene;
    scene.seen(7, "other.service", "/etc/systemd/system/other.service");
    scene.seen(450, "web.service", own);
    scene.sets(own, 3, "KillMode", "mixed");
    const auto stack = model::build(scene.evidence);
    REQUIRE(stack.servers.at(0).unit < stack.units.size());
    CHECK(stack.units[stack.servers[0].unit].name == "web.service");
  }
  SECTION("by its command") {
    Units scene;
    scene.starts("/etc/systemd/system/a.service", "gunicorn -b 127.0.0.1:9000 a:a", "a.service");
    scene.sets("/etc/systemd/system/a.service", 3, "KillMode", "mixed", "a.service");
    scene.starts(own, "gunicorn -b 127.0.0.1:8000 app:app");
    scene.sets(own, 3, "KillMode", "mixed");
    const auto stack = model::build(scene.evidence);
    REQUIRE(stack.units.size() == 2);
    REQUIRE(stack.servers.at(0).unit < 2);
    CHECK(stack.units[stack.servers[0].unit].name == "web.service");
  }
  SECTION("of two that fit nobody knows") {
    Units scene;
    scene.starts("/etc/systemd/system/a.service", "gunicorn a:a", "a.service");
    scene.sets("/etc/systemd/system/a.service", 3, "KillMode", "mixed", "a.service");
    scene.starts(own, "gunicorn app:app");
    scene.sets(own, 3, "KillMode", "mixed");
    CHECK(model::build(scene.evidence).servers.at(0).unit == SIZE_MAX);
  }
}

TEST_CASE("a timeout of 0 has no end, and TimeoutSec is both") {
  Units scene;
  scene.starts(own, "gunicorn app:app");
  scene.sets(own, 3, "TimeoutSec", "20");
  auto stack = model::build(scene.evidence);
  CHECK(model::number_setting(stack.units.at(0), "TimeoutStopSec") == 20.0);
  scene.sets(own, 4, "TimeoutStopSec", "0");
  stack = model::build(scene.evidence);
  CHECK(std::isinf(*model::number_setting(stack.units.at(0), "TimeoutStopSec")));
  CHECK(model::number_setting(stack.units[0], "TimeoutStartSec") == 20.0);
}
