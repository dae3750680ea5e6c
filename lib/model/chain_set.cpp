// The values that --set puts in the place of what the files say, and what a trial of one takes back.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "model/chain.hpp"
#include "model/gunicorn_value.hpp"

namespace model {

namespace {

// Which server words --set knows, with the setting of gunicorn they stand for.
struct Word { std::string_view key, word; bool nginx; };
constexpr std::array settable{Word{"nginx.read", "read_timeout", true},         Word{"nginx.connect", "connect_timeout", true},   Word{"nginx.send", "send_timeout", true},
                              Word{"nginx.next_upstream", "next_upstream", true}, Word{"nginx.next_upstream_tries", "next_upstream_tries", true}, Word{"nginx.next_upstream_timeout", "next_upstream_timeout", true},
                              Word{"nginx.keepalive", "keepalive", true},       Word{"nginx.keepalive_timeout", "keepalive_timeout", true}, Word{"nginx.client_body_timeout", "client_body_timeout", true},
                              Word{"nginx.request_buffering", "request_buffering", true}, Word{"nginx.http_version", "http_version", true}, Word{"nginx.max_fails", "max_fails", true}, Word{"nginx.fail_timeout", "fail_timeout", true},
                              Word{"nginx.version", "", true},                  Word{"server.timeout", "timeout", false},         Word{"server.graceful_timeout", "graceful_timeout", false},
                              Word{"server.keepalive", "keepalive", false},     Word{"server.worker_class", "worker_class", false}, Word{"server.workers", "workers", false},
                              Word{"server.threads", "threads", false},         Word{"server.backlog", "backlog", false},         Word{"server.version", "", false},
                              Word{"stop.timeout", "", false},                  Word{"stop.prestop", "prestop", false}};

bool is_time(std::string_view word) { return word.ends_with("timeout") && word != "next_upstream"; }

}  // namespace

base::Result<> set_value(Deployment& all, std::string_view assignment) {
  const auto equals = assignment.find('=');
  const std::string doing = "reading --set " + base::printable(assignment, 60);
  if (equals == std::string_view::npos) return base::fail({base::Kind::usage, doing, "there is no '='", "write --set server.timeout=60", 0});
  const std::string_view key = assignment.substr(0, equals);
  const std::string value(assignment.substr(equals + 1));
  std::string name(key);
  if (name == "nginx.read_timeout" || name == "nginx.connect_timeout" || name == "nginx.send_timeout") name.resize(name.size() - 8);
  const auto found = std::ranges::find(settable, std::string_view(name), &Word::key);
  if (found == settable.end()) {
    std::string known;
    for (const Word& word : settable) known += (known.empty() ? "" : " ") + std::string(word.key);
    return base::fail({base::Kind::usage, doing, "'" + base::printable(key, 40) + "' is nothing that can be set", "one of: " + known, 0});
  }
  const bool time = is_time(found->word) || name == "server.keepalive" || name.starts_with("stop.");
  if (time && !span_seconds(value)) return base::fail({base::Kind::usage, doing, "'" + base::printable(value, 40) + "' is no time", "write 30s or 500ms", 0});
  const auto number = span_seconds(value);
  if ((name == "server.workers" || name == "server.threads" || name == "server.backlog" || name == "nginx.keepalive" || name == "nginx.max_fails" || name == "nginx.next_upstream_tries") && !base::read_number(value))
    return base::fail({base::Kind::usage, doing, "'" + base::printable(value, 40) + "' is no number", "", 0});
  if (found->nginx) {
    for (auto& nginx : all.nginx) {
      if (name == "nginx.version") nginx->version = value;
      else nginx->set.insert_or_assign(std::string(found->word), value);
    }
    return {};
  }
  if (name == "stop.timeout" || name == "stop.prestop") {
    for (Holder& holder : all.holders)
      for (const std::string_view word : {"timeout_stop", "stop_grace", "grace", "stopwait", "prestop"})
        if (const auto setting = holder.settings.find(word); setting != holder.settings.end() && (word == "prestop") == (name == "stop.prestop")) setting->second = {{number_value(*number, value), "", {}, From::configured}};
    return {};
  }
  all.set.insert_or_assign(std::string(found->word), value);
  for (Backend& server : all.servers) {
    if (name == "server.version") { server.version = value; continue; }
    Value made = time || found->word == "workers" || found->word == "threads" || found->word == "backlog" ? number_value(*number, value) : text_value(value);
    server.settings.insert_or_assign(std::string(found->word), Choices{{made, "", {}, From::configured}});
    if (found->word == "threads" && *number > 1)
      if (const Choice* kind = only_choice(server.settings, "class"); kind && kind->value.text == "sync") server.settings.insert_or_assign("class", Choices{{text_value("gthread"), "", {}, From::configured}});
    if (found->word == "worker_class") server.settings.insert_or_assign("class", Choices{{class_kind(value).empty() ? unknown_value() : text_value(class_kind(value)), "", {}, From::configured}});
  }
  return {};
}

Trial::Trial(Deployment& deployment) : deployment_(deployment), set_(deployment.set) {
  for (const auto& nginx : deployment.nginx) { nginx_.push_back(nginx->set); versions_.push_back(nginx->version); }
  for (const Backend& server : deployment.servers) { servers_.push_back(server.settings); versions_.push_back(server.version); }
  for (const Holder& holder : deployment.holders) holders_.push_back(holder.settings);
}

Trial::~Trial() {
  std::size_t version = 0;
  for (std::size_t i = 0; i < nginx_.size(); ++i) { deployment_.nginx[i]->set = std::move(nginx_[i]); deployment_.nginx[i]->version = versions_[version++]; }
  for (std::size_t i = 0; i < servers_.size(); ++i) { deployment_.servers[i].settings = std::move(servers_[i]); deployment_.servers[i].version = versions_[version++]; }
  for (std::size_t i = 0; i < holders_.size(); ++i) deployment_.holders[i].settings = std::move(holders_[i]);
  deployment_.set = std::move(set_);
}

}  // namespace model
