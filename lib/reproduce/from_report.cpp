#include "reproduce/from_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.hpp"
#include "base/words.hpp"
#include "reproduce/library.hpp"
#include "reproduce/moved_nginx.hpp"
#include "reproduce/scale.hpp"

namespace reproduce {

namespace {

using Json = nlohmann::ordered_json;

// A report is a machine's, but may have been edited, or be another tool's: every field is asked for its kind.
const Json& at(const Json& json, std::string_view key) {
  static const Json none;
  if (!json.is_object()) return none;
  const auto found = json.find(std::string(key));
  return found == json.end() ? none : *found;
}
std::string text_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::optional<double> number_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

const Json* root_of(const Json& report) {
  const std::string root = text_at(report, "root");
  const Json& findings = at(report, "findings");
  if (!findings.is_array()) return nullptr;
  for (const Json& one : findings)
    if (!root.empty() && text_at(one, "id") == root) return &one;
  return nullptr;
}

const Json* hop_of(const Json& report, std::string_view role) {
  const Json& hops = at(report, "hops").is_array() ? at(report, "hops") : at(at(report, "stack"), "hops");
  if (!hops.is_array()) return nullptr;
  for (const Json& hop : hops)
    if (text_at(hop, "role") == role) return &hop;
  return nullptr;
}

// ---- which scenario ----

// What the finding says of how it went, in the words that scenarios' names are made of.
std::vector<std::string> hints_of(const Json& finding) {
  std::string all = text_at(finding, "message") + " " + text_at(finding, "sure_because");
  for (const Json& one : at(finding, "fix")) all += " " + text_at(one, "text");
  for (const Json& one : at(finding, "because")) all += " " + text_at(one, "text") + " " + text_at(one, "note");
  std::vector<std::string> hints;
  const auto when = [&](std::string_view said, std::initializer_list<const char*> words) {
    if (base::contains(all, said)) hints.insert(hints.end(), words.begin(), words.end());
  };
  when("SIGABRT did not end it", {"c", "loop", "spin"});
  when("second stage", {"c", "loop", "spin"});
  when("idle", {"idle", "client"});
  when("connects and sends nothing", {"idle", "client"});
  when("draining", {"drain"});
  when("finishing old requests", {"drain"});
  when("workers timed out within a second", {"stall"});
  when("child", {"child"});
  when("SIGTERM", {"term"});
  when("boot timeout", {"boot", "slow"});
  when("gthread", {"gthread", "threads"});
  const std::string role = text_at(at(finding, "subject"), "role");
  if (!role.empty()) hints.push_back(role);
  return hints;
}

// 0: no; 1: it may say so among others; 2: that is what it proves. Where triage is expected not to know, it proves something else.
int proves(const Scenario& scenario, const std::string& rule) {
  int most = 0;
  const Words unsure{"unknown"};
  for (const Expect& one : scenario.expects)
    if (one.sure != unsure && one.kind == Expect::Kind::triage && one.at_least > 0 && one.at_most != 0 && std::find(one.any.begin(), one.any.end(), rule) != one.any.end()) most = std::max(most, one.any.front() == rule ? 2 : 1);
  return most;
}

// The name's words that the finding bears out, against those that it does not: of "oom-worker", "oom-child" and "oom-master" the right one.
int likeness(std::string_view name, const std::vector<std::string>& hints) {
  int score = 0;
  for (const std::string_view word : base::split(name, '-')) score += std::find(hints.begin(), hints.end(), word) != hints.end() ? 2 : -1;
  return score;
}

const Shelved* base_for(const std::string& rule, const std::vector<std::string>& hints) {
  const Shelved* best = nullptr;
  int most = 0;
  for (const Shelved& one : shelf()) {
    const auto scenario = find_scenario(std::string(one.name));
    const int proof = scenario ? proves(*scenario, rule) : 0;
    if (proof == 0) continue;
    const int score = likeness(one.name, hints) + 4 * proof;
    if (!best || score > most) { best = &one; most = score; }
  }
  return best;
}

// ---- what the incident has of its own ----

class Maker {
 public:
  Maker(Json scenario, const Json& finding, Derived& out) : scenario_(std::move(scenario)), finding_(finding), out_(out) {}

  void server(const Json& hop) {
    const std::string flavour = text_at(hop, "flavour"), version = text_at(hop, "version");
    if (flavour != "gunicorn" && flavour != "reference") {
      assume(fmt::format("the server was {}: what happened to it is made to happen to servers of gunicorn's kind", base::printable(flavour, 40)));
      return;
    }
    std::string like = like_of(version);
    if (like == "gunicorn-20.1" && out_.rule == "death.exited") {
      like = "gunicorn-23";
      assume("gunicorn 20.1 logs no exit codes: 23, which does, is taken");
    }
    if (!like.empty()) {
      scenario_["server"]["like"] = like;
      if (flavour == "gunicorn" && !base::starts_with(version, like.substr(9) + ".")) assume(fmt::format("gunicorn {} is taken to do as {} does", base::printable(version, 20), like));
    } else {
      assume(fmt::format("the server's version was not seen: {} is taken", scenario_["server"].value("like", std::string("triage-server's own manner"))));
    }
    const Json& settings = at(hop, "settings");
    if (!settings.is_object()) return;
    for (const auto& [name, setting] : settings.items()) {
      const std::string from = text_at(setting, "from");
      if (from == "configured" || from == "inherited") take(name, at(setting, "value"));
    }
  }

  void proxy(const Json& hop) {
    if (!scenario_.contains("proxy") || !scenario_["proxy"].is_object() || scenario_["proxy"].contains("conf")) return;
    const Json& settings = at(hop, "settings");
    if (!settings.is_object()) return;
    for (const char* name : {"proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout", "proxy_next_upstream_timeout"}) {
      const Json& setting = at(settings, name);
      if (text_at(setting, "from") != "configured") continue;
      const auto seconds = number_at(setting, "value");
      if (!seconds || *seconds <= 0 || *seconds > 3600) continue;
      const auto before = scenario_["proxy"].contains("set") ? text_at(scenario_["proxy"]["set"], name) : std::string();
      scenario_["proxy"]["set"][name] = number_text(*seconds) + "s";
      if (const auto was = read_seconds(before); was && *was > 0) stretch(*seconds / *was, fmt::format("{} is {}s", name, number_text(*seconds)));
    }
  }

  // The incident's own nginx.conf, where the scenario has a proxy whose effect does not hang on lines of its own.
  void configuration(const parse::nginx::Tree& tree) {
    if (!scenario_.contains("proxy") || !scenario_["proxy"].is_object()) return assume("nginx was in front; the scenario asks the server itself");
    Json& proxy = scenario_["proxy"];
    const auto keep = [&](const std::string& why) { assume("the scenario's own nginx.conf is taken, with the limits of the incident's: " + why); };
    for (const char* own : {"conf", "http", "upstream", "peers"})
      if (proxy.contains(own)) return keep(fmt::format("it shows by its '{}'", own));
    if (at(at(scenario_, "network"), "link").is_object()) return keep("a link stands between");
    std::vector<std::string> asked;
    for (const Json& load : at(scenario_, "load"))
      if (text_at(load, "to") != "server") asked.push_back(load.contains("path") ? text_at(load, "path") : "/hello");
    auto [moved, why] = move_nginx(tree, asked);
    if (!moved) return keep(why);
    if (proxy.contains("set"))
      for (const auto& [name, value] : proxy["set"].items())
        if (!base::contains(moved->text, " " + name + " ")) return keep(name + " is not set there");
    proxy.erase("set");
    proxy["conf"] = "nginx.conf";
    Json lines = Json::array();
    for (const auto line : base::split(moved->text, '\n'))
      if (!line.empty()) lines.push_back(std::string(line));
    scenario_["files"].push_back(Json{{"path", "nginx.conf"}, {"text", std::move(lines)}});
    assume("nginx.conf is the incident's: its addresses, user, logs and paths are the run's");
    for (std::string& one : moved->changed) assume("nginx.conf: " + std::move(one));
  }

  void memory() {
    if (!scenario_.contains("limits") || !at(scenario_["limits"], "memory").is_string()) return;
    const auto limit = base::between(text_at(finding_, "message"), "memory limit of ", "iB");
    const auto bytes = limit ? read_bytes(std::string(*limit).erase(limit->find(' ') == std::string_view::npos ? limit->size() : limit->find(' '), 1) + "iB") : std::nullopt;
    if (!bytes) { assume(fmt::format("the limit of the cgroup was not seen: {} is taken", text_at(scenario_["limits"], "memory"))); return; }
    if (*bytes < 64.0 * (1 << 20)) { assume(fmt::format("the limit was {}: here it is {}, which the interpreter itself needs", base::bytes_text(static_cast<std::uint64_t>(*bytes)), text_at(scenario_["limits"], "memory"))); return; }
    if (*bytes > 512.0 * (1 << 20)) { assume(fmt::format("the limit was {}: here it is 512MiB, so that the run stays small", base::bytes_text(static_cast<std::uint64_t>(*bytes)))); scenario_["limits"]["memory"] = "512MiB"; return; }
    scenario_["limits"]["memory"] = fmt::format("{}MiB", static_cast<std::uint64_t>(*bytes) >> 20);
  }

  // "it exited with code 7": the request that ends a worker so, and the status that must be seen.
  void exit_code() {
    const std::string message = text_at(finding_, "message");
    const auto said = base::between(message, "with code ", "");
    const auto code = said ? base::read_number(said->substr(0, said->find_first_not_of("0123456789"))) : std::nullopt;
    if (!code || *code < 0 || *code > 255 || !scenario_.contains("load")) return;
    bool asked = false;
    for (Json& load : scenario_["load"])
      if (base::starts_with(text_at(load, "path"), "/exit?code=")) { load["path"] = fmt::format("/exit?code={}", *code); asked = true; }
    if (!asked) return;
    for (Json& expect : scenario_["expect"])
      if (base::starts_with(text_at(expect, "deaths"), "exit ")) expect["deaths"] = fmt::format("exit {}", *code);
  }

  // The request that it was doing: the fault's path, and that of whoever asks for it.
  void request() {
    const std::string said = text_at(at(finding_, "was_doing"), "request");
    const auto blank = said.find(' ');
    std::string path = blank == std::string::npos ? std::string() : said.substr(blank + 1);
    path = path.substr(0, std::min(path.find('?'), path.find(' ')));
    const bool plain = !path.empty() && path[0] == '/' && path.size() < 100 && std::all_of(path.begin(), path.end(), [](unsigned char c) { return std::isalnum(c) || c == '/' || c == '-' || c == '_' || c == '.'; });
    std::string old;
    for (const Json& fault : at(scenario_["server"], "faults"))
      if (const auto found = fault.is_string() ? base::between(fault.get_ref<const std::string&>(), "path=", "") : std::nullopt) old = std::string(found->substr(0, found->find(',')));
    if (old.empty()) return;
    if (!plain) { assume(fmt::format("what it was asked for was not seen: {} is taken", old)); return; }
    // The application answers these by itself.
    for (const char* taken : {"/hello", "/pid", "/exit", "/sleep", "/echo"})
      if (path == taken) return;
    replace(scenario_["server"], "path=" + old, "path=" + path);
    if (scenario_.contains("load"))
      for (Json& load : scenario_["load"])
        if (text_at(load, "path") == old) load["path"] = path;
  }

  Json finish() {
    if (stretched_ > 1) {
      for (const char* key : {"lasts"})
        if (const auto value = seconds_at(scenario_, key)) scenario_[key] = std::ceil(*value * stretched_);
      for (const char* list : {"load", "steps", "expect"}) {
        if (!scenario_.contains(list)) continue;
        for (Json& one : scenario_[list])
          for (const char* key : {"within", "patience", "lasts"})
            if (const auto value = seconds_at(one, key)) one[key] = std::ceil(*value * stretched_);
      }
    }
    return std::move(scenario_);
  }

 private:
  void assume(std::string what) { out_.assumed.push_back(std::move(what)); }

  static std::string like_of(const std::string& version) {
    const auto major = base::read_number(version.substr(0, version.find('.')));
    if (!major || *major == 0) return "";
    return *major < 21 ? "gunicorn-20.1" : *major < 24 ? "gunicorn-23" : "gunicorn-26";
  }

  static std::optional<double> seconds_at(const Json& json, std::string_view key) {
    const Json& value = at(json, key);
    if (value.is_number()) return value.get<double>();
    return value.is_string() ? read_seconds(value.get_ref<const std::string&>()) : std::nullopt;
  }

  // A longer limit needs a longer run.
  void stretch(double by, const std::string& why) {
    if (by <= stretched_) return;
    stretched_ = by;
    assume(fmt::format("{}: the run may last {} times as long as {}", why, number_text(by), out_.base));
  }

  void take(const std::string& name, const Json& value) {
    const auto& known = server_settings();
    const auto row = std::find_if(known.begin(), known.end(), [&](const ServerSetting& one) { return one.name == name; });
    if (row == known.end() || row->ours || name == "access_log_format" || name == "loglevel" || name == "worker_tmp_dir" || name == "group" || name == "umask") return;
    Json& server = scenario_["server"];
    if (name == "worker_class") {
      const std::string kind = value.is_string() ? value.get<std::string>() : "";
      if (kind == "sync" || kind == "gthread") server[name] = kind;
      else assume(fmt::format("its worker class {} is not made here: {} is taken", base::printable(kind, 60), server.value("worker_class", std::string("sync"))));
      return;
    }
    if (row->is_switch) { if (value.is_boolean()) server[name] = value; return; }
    if (!value.is_number()) return;
    const double number = value.get<double>();
    if (number < 0 || number > 86'400) return;
    if (name == "workers" || name == "threads") {
      const double most = 8;
      if (number < 1) return;
      if (number > most) assume(fmt::format("{} = {} is {} here", name, number_text(number), number_text(most)));
      server[name] = static_cast<int>(std::min(number, most));
      return;
    }
    if (name == "timeout") {
      if (number == 0) { assume("timeout was 0 (never): the scenario's own is kept"); return; }
      if (const auto was = seconds_at(server, name); was && *was > 0) stretch(number / *was, fmt::format("timeout is {}s", number_text(number)));
    }
    server[name] = number == std::floor(number) ? Json(static_cast<std::int64_t>(number)) : Json(number);
  }

  static void replace(Json& where, const std::string& what, const std::string& with) {
    for (Json& one : where["faults"]) {
      if (!one.is_string()) continue;
      std::string text = one.get<std::string>();
      if (const auto found = text.find(what); found != std::string::npos) one = text.replace(found, what.size(), with);
    }
  }

  Json scenario_;
  const Json& finding_;
  Derived& out_;
  double stretched_ = 1;
};

std::string name_of(std::string_view from) {
  std::string name;
  for (const char c : base::file_name(from)) {
    const char small = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool plain = (small >= 'a' && small <= 'z') || (small >= '0' && small <= '9');
    if (plain) name += small;
    else if (!name.empty() && name.back() != '-') name += '-';
    if (name.size() >= 36) break;
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "incident" : name;
}

}  // namespace

base::Result<Derived> scenario_of(std::string_view report_text, std::string_view chain_text, const std::string& from, const parse::nginx::Tree* nginx) {
  const Json report = Json::parse(report_text, nullptr, false), chain = Json::parse(chain_text, nullptr, false);
  const std::string doing = "making a scenario of " + base::printable(from, 200);
  if (!report.is_object() || text_at(report, "schema") != "triage.report/1") return base::fail({base::Kind::malformed, doing, "triage gave no report", "run triage --from on the same paths and read what it says", 0});
  const Json* finding = root_of(report);
  if (!finding) return base::fail({base::Kind::missing, doing, "triage found no fault there", "give more of what was left behind: the server's log, the kernel's, nginx's", 0});
  Derived out;
  out.rule = text_at(*finding, "rule");
  if (text_at(*finding, "truth") != "yes") {
    std::string wanted;
    for (const Json& one : at(*finding, "missing"))
      if (one.is_string()) wanted += (wanted.empty() ? "" : "; ") + one.get<std::string>();
    return base::fail({base::Kind::missing, doing, "its cause is unknown: there is nothing to make appear", wanted.empty() ? "triage says what would tell" : base::printable(wanted, 300), 0});
  }
  const Shelved* base = base_for(out.rule, hints_of(*finding));
  if (!base) return base::fail({base::Kind::missing, doing, "no scenario proves " + base::printable(out.rule, 60), "triage-repro list shows what there is; docs/repro.md says how to write one", 0});
  out.base = base->name;
  out.name = name_of(from);
  Maker maker(Json::parse(base->text, nullptr, false, true), *finding, out);
  if (const Json* hop = hop_of(report, "server")) maker.server(*hop);
  if (const Json* hop = hop_of(chain.is_object() ? chain : report, "proxy")) maker.proxy(*hop);
  maker.memory();
  maker.exit_code();
  maker.request();
  if (nginx) maker.configuration(*nginx);
  Json scenario = maker.finish();
  scenario["name"] = out.name;
  scenario["proves"] = base::printable(text_at(*finding, "message"), 300);
  scenario["see"] = Json::array({base::printable(from, 200)});
  out.text = fmt::format("// Made from {} after {}: the verdict was {}.\n", base::printable(base::file_name(from), 100), out.base, out.rule);
  for (const std::string& one : out.assumed) out.text += "// Assumed: " + base::printable(one, 300) + ".\n";
  out.text += scenario.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return out;
}

}  // namespace reproduce
