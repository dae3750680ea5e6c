// nginx.conf and its parts: where requests go, and the settings that decide how long the proxy waits. What a level inherits is not resolved
// here: a setting's condition says in which block it stands.
#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"
#include "parse/format.hpp"
#include "parse/nginx/route.hpp"
#include "parse/nginx/syntax.hpp"

namespace parse {

namespace {

using std::string_view_literals::operator""sv;
using nginx::address_of;
using nginx::Directive;

constexpr std::size_t longest_value = 1024, most_facts = 60'000;

constexpr std::array passes{"proxy_pass"sv, "uwsgi_pass"sv, "fastcgi_pass"sv, "scgi_pass"sv, "grpc_pass"sv};

// Beside <pass>_{connect,send,read}_timeout and <pass>_next_upstream*.
constexpr std::array kept{"keepalive"sv, "keepalive_timeout"sv, "keepalive_requests"sv, "keepalive_time"sv, "log_format"sv, "access_log"sv, "error_log"sv, "proxy_http_version"sv,
                          "client_body_timeout"sv, "client_header_timeout"sv, "client_max_body_size"sv, "send_timeout"sv, "lingering_timeout"sv, "resolver_timeout"sv,
                          "proxy_buffering"sv, "proxy_request_buffering"sv, "proxy_ignore_client_abort"sv, "worker_processes"sv, "worker_connections"sv, "worker_rlimit_nofile"sv,
                          "worker_shutdown_timeout"sv, "listen"sv, "server_name"sv};

bool wanted(std::string_view name) {
  if (std::ranges::find(kept, name) != kept.end()) return true;
  for (const auto pass : passes) {
    const auto kind = pass.substr(0, pass.size() - 4);  // "proxy_"
    if (!base::starts_with(name, kind)) continue;
    const auto rest = name.substr(kind.size());
    return rest == "connect_timeout" || rest == "send_timeout" || rest == "read_timeout" || base::starts_with(rest, "next_upstream");
  }
  return false;
}

std::string words_of(const Directive& directive, std::size_t from) {
  std::string joined;
  for (std::size_t i = from; i < directive.words.size() && joined.size() < longest_value; ++i) joined += (joined.empty() ? "" : " ") + directive.words[i].text;
  if (joined.size() > longest_value) joined.resize(longest_value);
  return joined;
}

// "location /api, server example.com": the inner block first.
std::string block_text(const Directive& block, const std::map<std::size_t, std::string>& names) {
  const auto named = names.find(block.offset);
  const std::string argument = named != names.end() ? named->second : words_of(block, 1);
  return argument.empty() ? block.name() : block.name() + " " + argument;
}

struct Place { std::uint32_t line, column; std::uint64_t offset; };

struct Route { std::string target, location; Place at; };
struct Member { std::string address, role; Place at; };

class Reader {
 public:
  Reader(std::string_view text, Sink& sink) : text_(text), sink_(sink) {}

  void run() {
    // A server's name may stand below the locations that are told with it, so it is read first.
    nginx::walk(text_, {[&](const Directive& directive, std::span<const Directive> around) {
                          if (directive.name() == "server_name" && !directive.block && !around.empty() && around.back().name() == "server") server_names_.emplace(around.back().offset, directive.argument(0));
                        },
                        {}});
    const auto reading = nginx::walk(text_, {[&](const Directive& directive, std::span<const Directive> around) { enter(directive, around); }, {}});
    for (const Route& route : routes_) {
      if (added_ > most_facts) break;
      add_route(route);
    }
    for (const auto& [name, members] : upstreams_)
      if (!used_.contains(name))
        for (const Member& member : members) add(evidence::ProxyRoute{name, member.address, "", member.role}, member.at);
    if (reading.wrong_line) {
      Record record;
      record.origin.line = reading.wrong_line;
      record.line = record.text = reading.wrong;
      sink_.add(evidence::SyntaxWrong{"proxy configuration", "", reading.wrong, "nginx -t"}, {}, record);
    }
    if (reading.wrong_line) sink_.gap({"proxy configuration " + sink_.source().name, "line " + std::to_string(reading.wrong_line) + ": " + reading.wrong, "nginx -t", 1, {}});
  }

 private:
  static Place place(const Directive& directive) { return {directive.words.front().line, directive.words.front().column, directive.offset}; }

  void enter(const Directive& directive, std::span<const Directive> around) {
    const std::string& name = directive.name();
    if (name == "upstream" && directive.block) { upstreams_[directive.argument(0)]; return; }
    if (directive.block) return;
    const bool upstream = !around.empty() && around.back().name() == "upstream";
    if (upstream && name == "server") {
      auto& members = upstreams_[around.back().argument(0)];
      const auto says = [&](std::string_view word) { return std::ranges::any_of(directive.words, [&](const nginx::Word& each) { return each.text == word; }); };
      // How a member counts its failures, where it says so.
      if (std::ranges::any_of(directive.words, [](const nginx::Word& word) { return base::starts_with(word.text, "max_fails=") || base::starts_with(word.text, "fail_timeout="); })) add(evidence::SettingRead{"nginx.upstream.server", words_of(directive, 1), "file", block_text(around.back(), server_names_), true}, place(directive));
      if (members.size() < 1000 && !says("down")) members.push_back({address_of(directive.argument(0)), says("backup") ? "backup" : "", place(directive)});
      return;
    }
    if (std::ranges::find(passes, name) != passes.end()) {
      std::string location;
      for (const Directive& block : around)
        if (block.name() == "location") location = words_of(block, 1);
      routes_.push_back({address_of(directive.argument(0)), location, place(directive)});
      return;
    }
    if (!wanted(name)) return;
    std::string where;
    for (auto block = around.rbegin(); block != around.rend() && where.size() < 200; ++block)
      if (block->name() != "http") where += (where.empty() ? "" : ", ") + block_text(*block, server_names_);
    // keepalive_timeout of an upstream is about idle connections to the server, elsewhere about those from clients.
    const std::string as = upstream && name != "keepalive" ? "nginx.upstream." + name : "nginx." + name;
    std::string value = words_of(directive, 1);
    if (name == "log_format" && directive.words.size() > 2) {  // its parts are one text without blanks between
      value = directive.argument(0) + " ";
      for (std::size_t i = 2; i < directive.words.size() && value.size() < longest_value; ++i) value += directive.words[i].text;
    }
    add(evidence::SettingRead{as, value, "file", where, !base::contains(value, "$") || name == "log_format"}, place(directive));
  }

  void add_route(const Route& route) {
    const auto upstream = upstreams_.find(route.target);
    if (upstream == upstreams_.end()) {
      add(evidence::ProxyRoute{"", route.target, route.location, ""}, route.at);
      return;
    }
    used_[route.target] = true;
    for (const Member& member : upstream->second) add(evidence::ProxyRoute{route.target, member.address, route.location, member.role}, route.at);
  }

  void add(evidence::What what, const Place& at) {
    if (++added_ > most_facts) return;
    Record record;
    record.origin.line = at.line;
    record.origin.column = at.column;
    record.origin.offset = at.offset;
    record.line = base::trim(text_.substr(at.offset, text_.substr(at.offset, evidence::excerpt_limit).find('\n')));
    sink_.add(std::move(what), {}, record);
  }

  std::string_view text_;
  Sink& sink_;
  std::size_t added_ = 0;
  std::map<std::size_t, std::string> server_names_;  // by the offset of the server block
  std::map<std::string, std::vector<Member>> upstreams_;
  std::map<std::string, bool> used_;
  std::vector<Route> routes_;
};

int sure(std::string_view, std::string_view head) {
  if (head.find('\0') != std::string_view::npos) return 0;
  int points = 0;
  nginx::walk(head, {[&](const Directive& directive, std::span<const Directive> around) {
                       const std::string& name = directive.name();
                       const std::size_t arguments = directive.words.size() - 1;
                       if (directive.block && ((name == "server" || name == "http" || name == "events") ? arguments == 0 : name == "location" ? arguments >= 1 && arguments <= 2 : name == "upstream" ? arguments == 1 : false)) points += 30;
                       if (!directive.block && arguments == 1 && std::ranges::find(passes, name) != passes.end()) points += 30;
                       if (!directive.block && arguments >= 1 && (name == "listen" || name == "server_name" || name == "worker_processes" || (name == "include" && arguments == 1) || base::starts_with(name, "proxy_") || wanted(name))) points += around.empty() ? 15 : 25;
                     },
                     {}});
  return points >= 50 ? 85 : 0;
}

void read(std::string_view text, Sink& sink) { Reader(text, sink).run(); }

}  // namespace

namespace configs_of {

extern const Document nginx_conf = {.name = "nginx configuration", .kind = evidence::SourceKind::config, .sure = sure, .read = read};

}  // namespace configs_of
}  // namespace parse
