// Over 300 lines: a scenario's whole grammar is one table of keys, read in one place.
#include "reproduce/scenario.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/near.hpp"
#include "base/text.hpp"
#include "prefork/faults.hpp"
#include "prefork/settings.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/server_kind.hpp"

namespace reproduce {

namespace {

using source::JsonMember;
using source::PlacedJson;
using source::Shape;
using Known = std::vector<std::string_view>;

std::string listed(const Known& words) {
  std::string all;
  for (const auto word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

// The first complaint is kept and ends the reading, so that the calls need no checks between them.
class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  base::Result<Scenario> scenario(const PlacedJson& root) {
    Scenario s;
    s.file = file_;
    if (object(root, "a scenario",
               {"name", "proves", "see", "on", "scales", "floors", "lasts", "server", "proxy", "limits", "network", "files", "load", "steps", "expect", "verdict", "own_pids", "reaps", "replaced"},
               {"name", "proves", "server", "expect"})) {
      for (const JsonMember& member : root.members) {
        const PlacedJson& value = member.value;
        if (member.key == "name") s.name = name(value);
        else if (member.key == "proves") s.proves = text(value, "proves");
        else if (member.key == "see") s.see = texts(value, "see");
        else if (member.key == "on") on(value, s);
        else if (member.key == "scales") s.scales = truth(value, "scales");
        else if (member.key == "floors") s.floors = texts(value, "floors");
        else if (member.key == "lasts") s.lasts = seconds(value, "lasts");
        else if (member.key == "server") server(value, s.server);
        else if (member.key == "proxy") proxy(value, s.proxy);
        else if (member.key == "limits") limits(value, s.limits);
        else if (member.key == "network") network(value, s.network);
        else if (member.key == "files") each(value, "files", [&](const PlacedJson& one) { s.files.push_back(file(one)); });
        else if (member.key == "load") each(value, "load", [&](const PlacedJson& one) { s.loads.push_back(load(one, s.loads.size())); });
        else if (member.key == "steps") each(value, "steps", [&](const PlacedJson& one) { s.steps.push_back(step(one)); });
        else if (member.key == "expect") each(value, "expect", [&](const PlacedJson& one) { s.expects.push_back(expect(one)); });
        else if (member.key == "verdict") s.verdict = one_of(value, "verdict", {"live", "files", "watch", "none"});
        else if (member.key == "own_pids") s.own_pids = truth(value, "own_pids");
        else if (member.key == "reaps") s.reaps = truth(value, "reaps");
        else if (member.key == "replaced") s.replaced = truth(value, "replaced");
      }
      if (s.expects.empty()) complain(root.find("expect") ? root.find("expect")->place : root.place, "nothing is expected", "a scenario says what must be seen");
      agree(root, s);
    }
    if (first_) return base::fail(std::move(*first_));
    return s;
  }

 private:
  void complain(source::Place place, std::string what, std::string remedy = {}) {
    if (!first_) first_ = source::complaint(file_, place, std::move(what), std::move(remedy));
  }

  bool is(const PlacedJson& json, Shape shape, std::string_view name) {
    if (json.shape == shape) return true;
    complain(json.place, "'" + std::string(name) + "' must be " + std::string(source::shape_text(shape)) + ", not " + std::string(source::shape_text(json.shape)));
    return false;
  }

  bool object(const PlacedJson& json, std::string_view name, const Known& keys, const Known& needed = {}) {
    if (json.shape != Shape::object) {
      complain(json.place, std::string(name) + " must be an object, not " + std::string(source::shape_text(json.shape)));
      return false;
    }
    for (const JsonMember& member : json.members)
      if (std::ranges::find(keys, member.key) == keys.end()) complain(member.place, "there is no key '" + base::printable(member.key, 60) + "' here" + base::did_you_mean(member.key, keys), "the keys are: " + listed(keys));
    for (const auto key : needed)
      if (!json.find(key)) complain(json.place, "'" + std::string(key) + "' is missing");
    return !first_;
  }

  std::string text(const PlacedJson& json, std::string_view name) {
    if (is(json, Shape::text, name) && json.text.empty()) complain(json.place, "'" + std::string(name) + "' is empty");
    return json.text;
  }
  // A text, or a list of lines.
  std::string lines(const PlacedJson& json, std::string_view name) {
    if (json.shape != Shape::list) return is(json, Shape::text, name) ? json.text : std::string();
    std::string all;
    for (const PlacedJson& item : json.items)
      if (is(item, Shape::text, name)) all += item.text + "\n";
    return all;
  }
  std::string name(const PlacedJson& json) {
    const std::string word = text(json, "name");
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos || word.size() > 40) complain(json.place, "a name has small letters, digits and dashes, and at most 40 of them");
    return word;
  }
  Words texts(const PlacedJson& json, std::string_view name) {
    Words all;
    if (json.shape == Shape::text) return {text(json, name)};
    if (is(json, Shape::list, name))
      for (const PlacedJson& item : json.items) all.push_back(text(item, name));
    return all;
  }
  bool truth(const PlacedJson& json, std::string_view name) { return is(json, Shape::boolean, name) && json.truth; }
  double number(const PlacedJson& json, std::string_view name, double least, double most) {
    if (!is(json, Shape::number, name)) return least;
    if (json.number < least || json.number > most) complain(json.place, "'" + std::string(name) + "' must lie between " + number_text(least) + " and " + number_text(most));
    return json.number;
  }
  int whole(const PlacedJson& json, std::string_view name, int least, int most) {
    const double value = number(json, name, least, most);
    if (value != std::floor(value)) complain(json.place, "'" + std::string(name) + "' must be a whole number");
    return static_cast<int>(value);
  }
  double seconds(const PlacedJson& json, std::string_view name) {
    if (json.shape == Shape::number) return number(json, name, 0, 86'400);
    const auto value = read_seconds(text(json, name));
    if (!value) complain(json.place, "'" + std::string(name) + "' is no time", "write 30, \"30s\", \"250ms\" or \"2min\"");
    return value.value_or(0);
  }
  std::uint64_t bytes(const PlacedJson& json, std::string_view name) {
    if (json.shape == Shape::number) return static_cast<std::uint64_t>(number(json, name, 0, 1e15));
    const auto value = read_bytes(text(json, name));
    if (!value) complain(json.place, "'" + std::string(name) + "' is no size", "write \"512MiB\"");
    return static_cast<std::uint64_t>(value.value_or(0));
  }
  int mode(const PlacedJson& json) {
    const std::string word = text(json, "mode");
    if (word.empty() || word.size() > 4 || word.find_first_not_of("01234567") != std::string::npos) {
      complain(json.place, "'mode' is octal digits in quotes", "write \"0660\"");
      return -1;
    }
    return static_cast<int>(std::stoul(word, nullptr, 8));
  }
  std::string one_of(const PlacedJson& json, std::string_view name, const Known& words) {
    const std::string word = text(json, name);
    if (std::ranges::find(words, word) == words.end()) complain(json.place, "'" + std::string(name) + "' cannot be '" + base::printable(word, 60) + "'" + base::did_you_mean(word, words), "it is one of: " + listed(words));
    return word;
  }
  std::string path(const PlacedJson& json, std::string_view name) {
    const std::string word = text(json, name);
    if (word.starts_with('/') || word.find("..") != std::string::npos || word.size() > 60) complain(json.place, "'" + std::string(name) + "' is a path below the scratch folder", "no leading slash, no .., at most 60 letters");
    return word;
  }
  std::string kind(const PlacedJson& json) { return one_of(json, "on", server_names()); }
  Only only(const PlacedJson& json) {
    if (json.shape != Shape::list) return {kind(json)};
    Only all;
    each(json, "on", [&](const PlacedJson& one) { all.push_back(kind(one)); });
    return all;
  }

  template <class Read>
  void each(const PlacedJson& json, std::string_view name, Read read) {
    if (!is(json, Shape::list, name)) return;
    if (json.items.size() > 200) complain(json.place, "'" + std::string(name) + "' has more than 200 entries");
    for (const PlacedJson& item : json.items)
      if (!first_) read(item);
  }
  Pairs pairs(const PlacedJson& json, std::string_view name) {
    Pairs all;
    if (is(json, Shape::object, name))
      for (const JsonMember& member : json.members) {
        if (member.value.shape == Shape::number) all.emplace_back(member.key, member.value.text);
        else all.emplace_back(member.key, text(member.value, member.key));
      }
    return all;
  }

  void on(const PlacedJson& json, Scenario& s) {
    s.on.clear();
    each(json, "on", [&](const PlacedJson& one) { s.on.push_back(kind(one)); });
    if (s.on.empty()) complain(json.place, "'on' names no server");
  }

  void server(const PlacedJson& json, Server& to) {
    Known keys{"like", "app", "args", "gunicorn_args", "also", "faults", "own_faults", "bind", "user", "config", "ready", "debug"};
    for (const ServerSetting& setting : server_settings()) keys.push_back(setting.name);
    if (!object(json, "'server'", keys)) return;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "like") to.like = one_of(value, "like", {"gunicorn-20.1", "gunicorn-23", "gunicorn-26"});
      else if (member.key == "app") to.app = text(value, "app");
      else if (member.key == "args") to.args = texts(value, "args");
      else if (member.key == "gunicorn_args") to.gunicorn_args = texts(value, "gunicorn_args");
      else if (member.key == "also") also(value, to);
      else if (member.key == "faults") each(value, "faults", [&](const PlacedJson& one) { to.faults.push_back(fault(one)); });
      else if (member.key == "own_faults") each(value, "own_faults", [&](const PlacedJson& one) { to.own_faults.push_back(fault(one)); });
      else if (member.key == "bind") to.bind = one_of(value, "bind", {"tcp", "unix", "held"});
      else if (member.key == "user") to.user = text(value, "user");
      else if (member.key == "config") to.config = path(value, "config");
      else if (member.key == "debug") to.debug = truth(value, "debug");
      else if (member.key == "ready") to.ready = ready(value);
      else setting(member, to);
    }
  }
  void also(const PlacedJson& json, Server& to) {
    Known kinds;
    for (const ServerKind* one : servers()) kinds.push_back(one->name);
    if (object(json, "'also'", kinds))
      for (const JsonMember& member : json.members) to.also.emplace_back(member.key, texts(member.value, member.key));
  }
  Server::Ready ready(const PlacedJson& json) {
    const std::string word = one_of(json, "ready", {"workers", "listening", "started"});
    return word == "workers" ? Server::Ready::workers : word == "listening" ? Server::Ready::listening : Server::Ready::started;
  }
  void setting(const JsonMember& member, Server& to) {
    const auto& row = *std::ranges::find(server_settings(), member.key, &ServerSetting::name);
    const PlacedJson& value = member.value;
    if (row.is_switch) to.settings.emplace_back(member.key, truth(value, member.key) ? "true" : "false");
    else if (row.is_time) to.settings.emplace_back(member.key, number_text(seconds(value, member.key)));
    else if (value.shape == Shape::number) to.settings.emplace_back(member.key, value.text);
    else to.settings.emplace_back(member.key, text(value, member.key));
  }
  std::string fault(const PlacedJson& json) {
    const std::string spec = text(json, "fault");
    const std::string_view word = std::string_view(spec).substr(0, spec.find_first_of("=,"));
    Known known{"eat", "eat_in_child", "refuse_term"};   // of the built-in Python application
    if (std::ranges::find(known, word) != known.end()) return spec;
    for (const prefork::FaultRow& row : prefork::fault_rows()) known.push_back(row.name);
    if (!prefork::fault_row(word)) complain(json.place, "there is no fault '" + base::printable(word, 60) + "'" + base::did_you_mean(word, known), "`triage-server --list-faults` has them");
    return spec;
  }

  void proxy(const PlacedJson& json, Proxy& to) {
    if (!object(json, "'proxy'", {"conf", "user", "set", "http", "upstream", "peers"})) return;
    to.present = true;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "conf") to.conf = path(value, "conf");
      else if (member.key == "user") to.user = text(value, "user");
      else if (member.key == "set") to.set = pairs(value, "set");
      else if (member.key == "http") to.http = texts(value, "http");
      else if (member.key == "upstream") to.upstream = texts(value, "upstream");
      else if (member.key == "peers") to.peers = whole(value, "peers", 1, 8);
    }
  }
  void limits(const PlacedJson& json, Limits& to) {
    if (!object(json, "'limits'", {"memory", "machine", "descriptors", "pids", "cpu"})) return;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "memory") to.memory = bytes(value, "memory");
      else if (member.key == "machine") to.machine = bytes(value, "machine");
      else if (member.key == "descriptors") to.descriptors = static_cast<std::uint64_t>(whole(value, "descriptors", 3, 1 << 20));
      else if (member.key == "pids") to.pids = static_cast<std::uint64_t>(whole(value, "pids", 2, 1 << 20));
      else if (member.key == "cpu") to.cpu = number(value, "cpu", 0.01, 64);
    }
  }
  void network(const PlacedJson& json, Network& to) {
    if (!object(json, "'network'", {"blackhole", "link"})) return;
    if (const PlacedJson* value = json.find("blackhole")) to.blackhole = text(*value, "blackhole");
    const PlacedJson* const link = json.find("link");
    if (!link || !object(*link, "'link'", {"of", "delay", "loss"}, {"of"})) return;
    for (const JsonMember& member : link->members) {
      if (member.key == "of") to.link.of = one_of(member.value, "of", {"clients", "upstream", "peer"});
      else if (member.key == "delay") to.link.delay = seconds(member.value, "delay");
      else if (member.key == "loss") to.link.loss = number(member.value, "loss", 0, 1);
    }
  }
  File file(const PlacedJson& json) {
    File to;
    if (!object(json, "a file", {"path", "text", "kind", "mode", "owner", "acl", "on"}, {"path"})) return to;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "path") to.path = path(value, "path");
      else if (member.key == "text") to.text = lines(value, "text");
      else if (member.key == "mode") to.mode = mode(value);
      else if (member.key == "owner") to.owner = text(value, "owner");
      else if (member.key == "acl") to.acl = text(value, "acl");
      else if (member.key == "on") to.on = only(value);
      else if (member.key == "kind") {
        const std::string kind = one_of(value, "kind", {"file", "folder", "socket"});
        to.kind = kind == "folder" ? File::Kind::folder : kind == "socket" ? File::Kind::socket : File::Kind::file;
      }
    }
    return to;
  }
  // {"at": 2} or {"after": "worker-dead", "text": "SIGKILL", "count": 2, "delay": 0.5}, among the keys of what happens then.
  void moment(const JsonMember& member, Moment& to) {
    const PlacedJson& value = member.value;
    if (member.key == "at") to.at = seconds(value, "at");
    else if (member.key == "after") to.event = one_of(value, "after", event_words());
    else if (member.key == "holding") to.text = text(value, "holding");
    else if (member.key == "nth") to.count = whole(value, "nth", 1, 100'000);
    else if (member.key == "delay") to.delay = seconds(value, "delay");
  }
  Load load(const PlacedJson& json, std::size_t number_of) {
    Load to;
    to.name = "load" + std::to_string(number_of + 1);
    if (!object(json, "a load", {"name", "method", "path", "to", "at", "after", "holding", "nth", "delay", "rate", "concurrency", "count", "lasts", "patience", "pause", "keep_alive", "idle", "body", "pieces", "gap", "retries", "bodies", "background"}))
      return to;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "name") to.name = name(value);
      else if (member.key == "method") to.method = text(value, "method");
      else if (member.key == "path") to.path = text(value, "path");
      else if (member.key == "to") to.to = one_of(value, "to", {"server", "proxy"});
      else if (member.key == "rate") to.rate = number(value, "rate", 0.01, 2000);
      else if (member.key == "concurrency") to.concurrency = whole(value, "concurrency", 1, most_connections);
      else if (member.key == "count") to.count = whole(value, "count", 1, most_requests);
      else if (member.key == "lasts") to.lasts = seconds(value, "lasts");
      else if (member.key == "patience") to.patience = seconds(value, "patience");
      else if (member.key == "pause") to.pause = seconds(value, "pause");
      else if (member.key == "keep_alive") to.keep_alive = truth(value, "keep_alive");
      else if (member.key == "idle") to.idle = truth(value, "idle");
      else if (member.key == "body") to.body = bytes(value, "body");
      else if (member.key == "pieces") to.pieces = whole(value, "pieces", 1, 10'000);
      else if (member.key == "gap") to.gap = seconds(value, "gap");
      else if (member.key == "retries") to.retries = whole(value, "retries", 0, 20);
      else if (member.key == "bodies") to.bodies = truth(value, "bodies");
      else if (member.key == "background") to.background = truth(value, "background");
      else moment(member, to.when);
    }
    if (to.body > (64u << 20)) complain(json.place, "'body' is larger than 64 MiB");
    if (to.count == 0 && to.lasts == 0) to.count = to.concurrency;
    return to;
  }
  Step step(const PlacedJson& json) {
    Step to;
    const Known whom{"master", "worker", "workers", "newest", "oldest", "busy", "all", "proxy"};
    Known acts, keys{"at", "after", "holding", "nth", "delay", "to", "text", "mode", "on"};
    for (const StepAct& act : step_acts()) acts.push_back(act.name);
    keys.insert(keys.end(), acts.begin(), acts.end());
    if (!object(json, "a step", keys)) return to;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (std::ranges::find(acts, member.key) != acts.end()) {
        if (!to.act.empty()) complain(member.place, "a step does one thing, and this does '" + to.act + "' already", "make it two steps");
        to.act = member.key;
        to.what = text(value, member.key);
        if (to.act == "signal" && !base::signal_number(to.what)) complain(value.place, "there is no signal '" + base::printable(to.what, 40) + "'", "write HUP, TERM, KILL...");
        if (to.act == "fault") fault(value);
        if (to.act == "neighbour") (void)bytes(value, "neighbour");
        if (to.act == "freeze" || to.act == "thaw") one_of(value, to.act, whom);
      } else if (member.key == "to") to.to = one_of(value, "to", whom);
      else if (member.key == "text") to.text = lines(value, "text");
      else if (member.key == "mode") to.mode = mode(value);
      else if (member.key == "on") to.on = only(value);
      else moment(member, to.when);
    }
    if (to.act.empty()) complain(json.place, "a step that does nothing", "it does one of: " + listed(acts));
    return to;
  }
  Expect expect(const PlacedJson& json) {
    Expect to;
    to.place = json.place;
    if (!object(json, "an expectation", {"clients", "get", "deaths", "of", "boots", "log", "in", "triage", "sure", "event", "text", "over", "twice", "at_least", "at_most", "within", "on"})) return to;
    const Known kinds{"clients", "deaths", "boots", "log", "triage", "event"};
    int kind_count = 0;
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (const auto kind = std::ranges::find(kinds, member.key); kind != kinds.end()) {
        ++kind_count;
        to.kind = static_cast<Expect::Kind>(kind - kinds.begin());
      }
      if (member.key == "clients") to.who = text(value, "clients");
      else if (member.key == "get") to.any = texts(value, "get");
      else if (member.key == "deaths") to.any = texts(value, "deaths");
      else if (member.key == "of" || member.key == "boots") to.who = one_of(value, member.key, {"worker", "master", "proxy"});
      else if (member.key == "log") to.any = texts(value, "log");
      else if (member.key == "in") to.who = text(value, "in");
      else if (member.key == "triage") to.any = texts(value, "triage");
      else if (member.key == "sure") to.sure = texts(value, "sure");
      else if (member.key == "event") to.who = one_of(value, "event", event_words());
      else if (member.key == "text") to.any = texts(value, "text");
      else if (member.key == "over") to.over = number(value, "over", 0, 1e12);
      else if (member.key == "twice") to.twice = truth(value, "twice");
      else if (member.key == "at_least") to.at_least = whole(value, "at_least", 0, 100'000);
      else if (member.key == "at_most") to.at_most = whole(value, "at_most", 0, 100'000);
      else if (member.key == "within") to.within = seconds(value, "within");
      else if (member.key == "on") to.on = only(value);
    }
    if (kind_count != 1) complain(json.place, "an expectation is about one thing", "one of: " + listed(kinds));
    if (!json.find("at_least") && to.at_most >= 0) to.at_least = 0;
    if (to.at_most >= 0 && to.at_most < to.at_least) complain(json.place, "at_most is less than at_least");
    return to;
  }

  // What only the whole can tell.
  void agree(const PlacedJson& root, const Scenario& s) {
    const PlacedJson* loads = root.find("load");
    for (std::size_t i = 0; i < s.loads.size(); ++i) {
      const Load& one = s.loads[i];
      if (std::ranges::count(s.loads, one.name, &Load::name) > 1) complain(loads->items[i].place, "two loads are named '" + one.name + "'");
      if (one.to == "proxy" && !s.proxy.present) complain(loads->items[i].place, "a load goes to the proxy, and there is none");
    }
    for (const Expect& one : s.expects) {
      if (one.kind == Expect::Kind::clients && std::ranges::find(s.loads, one.who, &Load::name) == s.loads.end()) {
        Known names;
        for (const Load& load : s.loads) names.push_back(load.name);
        complain(one.place, "there is no load '" + base::printable(one.who, 40) + "'" + base::did_you_mean(one.who, names));
      }
      if (one.kind == Expect::Kind::triage && s.verdict == "none") complain(one.place, "triage is expected to say something, but 'verdict' is none");
    }
    for (const std::string& named : {s.server.config, s.proxy.conf})
      if (!named.empty() && std::ranges::find(s.files, named, &File::path) == s.files.end()) complain(root.place, "'" + named + "' is named and is none of 'files'");
  }

  const std::string& file_;
  std::optional<base::Error> first_;
};

}  // namespace

bool meant(const Only& on, const std::string& server) { return on.empty() || std::ranges::find(on, server) != on.end(); }

std::vector<StepAct> step_acts() {
  return {{"signal", "sends this signal to `to`"},
          {"fault", "switches a fault of triage-server on"},
          {"fault_off", "switches it off"},
          {"edit", "writes `text` to this file"},
          {"remove", "removes this file or socket"},
          {"mode", "gives this file `mode`"},
          {"steal", "binds this socket anew: what listened there is reached no more"},
          {"start", "starts a server like the first: restart"},
          {"neighbour", "starts a process beside the server that takes so much memory and keeps it"},
          {"freeze", "stops these processes (all, master, workers...), as a suspend does"},
          {"thaw", "lets them go on"}};
}

std::vector<std::string_view> event_words() {
  return {"ready", "worker-born", "worker-dead", "master-dead", "proxy-dead", "child-born", "child-dead", "connected", "asked", "taken", "answered", "body", "zombies", "step", "signalled", "log", "queue", "woken", "load-begins", "load-ends"};
}

const std::vector<ServerSetting>& server_settings() {
  static const std::vector<ServerSetting> rows = [] {
    // What the runner sets itself is none of a scenario's matter.
    const Known ours{"wsgi_app", "bind", "errorlog", "accesslog", "pidfile", "user", "chdir", "daemon", "admin", "faults", "seed", "like", "raw_env", "proc_name"};
    std::vector<ServerSetting> all;
    for (const prefork::SettingRow& row : prefork::setting_rows())
      if (std::ranges::find(ours, row.name) == ours.end()) {
        const auto flags = base::split(row.flags, ',');
        const auto flag = std::ranges::find_if(flags, [](std::string_view one) { return one.starts_with("--"); });
        all.push_back({row.name, flag == flags.end() ? row.flags : *flag, row.written == prefork::Written::seconds, row.written == prefork::Written::truth, row.ours});
      }
    return all;
  }();
  return rows;
}

base::Result<Scenario> read_scenario(const PlacedJson& root, const std::string& file) { return Reader(file).scenario(root); }

base::Result<Scenario> read_scenario(std::string_view text, const std::string& file) {
  TRY(root, source::read_placed_json(text, file));
  return read_scenario(root, file);
}

base::Result<> set_value(PlacedJson& root, const std::string& assignment) {
  const auto wrong = [&](std::string answer) { return base::fail({base::Kind::usage, "--set " + base::printable(assignment, 120), std::move(answer), "write server.timeout=60 or nginx.proxy_read_timeout=75s", 0}); };
  const auto mark = assignment.find('=');
  if (mark == std::string::npos) return wrong("no '='");
  std::vector<std::string> path;
  for (const auto part : base::split(std::string_view(assignment).substr(0, mark), '.')) path.emplace_back(part);
  if (path.front() == "nginx") {
    path.front() = "proxy";
    path.insert(path.begin() + 1, "set");
  }
  if (path.size() > 4 || std::ranges::find(path, std::string()) != path.end()) return wrong("the name of the value is no path");
  PlacedJson* at = &root;
  for (const std::string& part : path) {
    if (at->shape == Shape::list) {
      const auto index = base::read_number(part);
      if (!index || *index < 0 || static_cast<std::size_t>(*index) >= at->items.size()) return wrong("'" + base::printable(part, 40) + "' is no number of an entry");
      at = &at->items[static_cast<std::size_t>(*index)];
      continue;
    }
    if (at->shape != Shape::object) return wrong("'" + base::printable(part, 40) + "' lies in no object");
    auto found = std::ranges::find(at->members, part, &JsonMember::key);
    if (found == at->members.end()) {
      JsonMember fresh;
      fresh.key = part;
      fresh.place = at->place;
      fresh.value.place = at->place;
      fresh.value.shape = &part == &path.back() ? Shape::null : Shape::object;
      at->members.push_back(std::move(fresh));
      found = std::prev(at->members.end());
    }
    at = &found->value;
  }
  const std::string value = assignment.substr(mark + 1);
  const source::Place place = at->place;
  const auto read = source::read_placed_json(value, "--set");   // a number, true, a list; everything else is text
  *at = read ? *read : PlacedJson{};
  if (!read) {
    at->shape = Shape::text;
    at->text = value;
  }
  at->place = place;
  return {};
}

}  // namespace reproduce
