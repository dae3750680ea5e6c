#define PCRE2_CODE_UNIT_WIDTH 8
#include "parse/nginx/route.hpp"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.hpp"

namespace parse::nginx {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::array passes{"proxy_pass"sv, "uwsgi_pass"sv, "fastcgi_pass"sv, "scgi_pass"sv, "grpc_pass"sv};
constexpr std::uint32_t most_steps = 100'000;  // a pattern from a configuration must not hang us

bool is_pass(const Node& node) { return std::ranges::find(passes, node.directive.name()) != passes.end(); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool matches(const std::string& pattern, std::string_view text, bool caseless) {
  int code = 0;
  PCRE2_SIZE at = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> compiled(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), caseless ? PCRE2_CASELESS : 0, &code, &at, nullptr), pcre2_code_free);
  if (!compiled) return false;
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> bounds(pcre2_match_context_create(nullptr), pcre2_match_context_free);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> found(pcre2_match_data_create_from_pattern(compiled.get(), nullptr), pcre2_match_data_free);
  pcre2_set_match_limit(bounds.get(), most_steps);
  return pcre2_match(compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, found.get(), bounds.get()) >= 0;
}

// ---- the server block -----------------------------------------------------------------------------------------------
struct Listen { std::string address; std::uint16_t port = 80; bool standard = false, tls = false; };  // address: "" for every one

Listen listen_of(const Directive& directive) {
  Listen listen;
  std::string_view value = directive.words.size() > 1 ? std::string_view(directive.words[1].text) : std::string_view("80");
  for (std::size_t i = 2; i < directive.words.size(); ++i) {
    if (directive.words[i].text == "default_server" || directive.words[i].text == "default") listen.standard = true;
    if (directive.words[i].text == "ssl") listen.tls = true;
  }
  if (base::starts_with(value, "unix:")) {
    listen.address = value;
    listen.port = 0;
    return listen;
  }
  const auto bracket = value.rfind(']');
  const auto colon = value.rfind(':');
  const bool port_given = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  if (const auto port = base::read_number(port_given ? value.substr(colon + 1) : value); port && *port > 0 && *port < 65536) {
    listen.port = static_cast<std::uint16_t>(*port);
    if (!port_given) return listen;
  }
  listen.address = lower(port_given ? value.substr(0, colon) : value);
  if (listen.address == "*" || listen.address == "0.0.0.0" || listen.address == "[::]") listen.address.clear();
  if (listen.address == "localhost") listen.address = "127.0.0.1";
  return listen;
}

// How well a server's name fits: exact, *.wildcard by length, wildcard.* by length, regular expression by order; 0 not at all.
int name_fits(const std::string& name, const std::string& host) {
  const std::string plain = lower(name);
  if (plain == host) return 1'000'000;
  if (base::starts_with(plain, ".")) {
    if (plain.substr(1) == host) return 1'000'000;
    if (host.size() > plain.size() && host.ends_with(plain)) return 100'000 + static_cast<int>(plain.size());
    return 0;
  }
  if (base::starts_with(plain, "*.")) return host.size() > plain.size() - 1 && host.ends_with(plain.substr(1)) ? 100'000 + static_cast<int>(plain.size()) : 0;
  if (plain.size() > 2 && plain.ends_with(".*")) return base::starts_with(host, plain.substr(0, plain.size() - 1)) ? 10'000 + static_cast<int>(plain.size()) : 0;
  if (base::starts_with(name, "~")) return matches(name.substr(1), host, true) ? 1 : 0;
  return 0;
}

const Node* server_of(const std::vector<const Node*>& servers, const Request& request) {
  struct Candidate { const Node* server; bool exact, standard; };
  std::vector<Candidate> candidates;
  for (const Node* server : servers) {
    std::vector<Listen> listens;
    for (const Node& node : server->children)
      if (node.directive.name() == "listen") listens.push_back(listen_of(node.directive));
    if (listens.empty()) listens.push_back({});
    for (const Listen& listen : listens) {
      if (listen.port != request.port) continue;
      const bool exact = !listen.address.empty() && listen.address == request.address;
      // A name may resolve to any address: then the block that names one takes it as well as the wildcard.
      if (!exact && !listen.address.empty() && !request.address.empty()) continue;
      candidates.push_back({server, exact, listen.standard});
    }
  }
  // The most specific address takes all of its connections.
  if (std::ranges::any_of(candidates, &Candidate::exact)) std::erase_if(candidates, [](const Candidate& one) { return !one.exact; });
  if (candidates.empty()) return nullptr;
  const Node* best = nullptr;
  int most = 0;
  for (const Candidate& candidate : candidates)
    for (const Node& node : candidate.server->children) {
      if (node.directive.name() != "server_name") continue;
      for (std::size_t i = 1; i < node.directive.words.size(); ++i)
        if (const int fit = name_fits(node.directive.words[i].text, request.host); fit > most) { most = fit; best = candidate.server; }
    }
  if (best) return best;
  for (const Candidate& candidate : candidates)
    if (candidate.standard) return candidate.server;
  return candidates.front().server;
}

// ---- the location ---------------------------------------------------------------------------------------------------
struct Kind { std::string sign, pattern; };  // sign: "" "=" "^~" "~" "~*" "@"

Kind kind_of(const Directive& directive) {
  if (directive.words.size() >= 3) return {directive.words[1].text, directive.words[2].text};
  const std::string word = directive.argument(0);
  for (const auto sign : {"^~"sv, "~*"sv, "~"sv, "="sv, "@"sv})  // glued: "=/x"
    if (base::starts_with(word, sign)) return {std::string(sign), word.substr(sign.size())};
  return {"", word};
}

struct Found { const Node* node = nullptr; bool final = false; };

// nginx: an exact one ends it; else the longest prefix, whose nested locations are asked first; then regular expressions in their order, unless
// the prefix has ^~.
Found location_in(const std::vector<Node>& nodes, const std::string& path) {
  const Node* longest = nullptr;
  std::size_t length = 0;
  bool no_regex = false;
  for (const Node& node : nodes) {
    if (node.directive.name() != "location") continue;
    const Kind kind = kind_of(node.directive);
    if (kind.sign == "=" && kind.pattern == path) return {&node, true};
    if ((kind.sign.empty() || kind.sign == "^~") && base::starts_with(path, kind.pattern) && (!longest || kind.pattern.size() >= length)) {
      longest = &node;
      length = kind.pattern.size();
      no_regex = kind.sign == "^~";
    }
  }
  Found inner;
  if (longest) {
    inner = location_in(longest->children, path);
    if (inner.final) return inner;
  }
  if (!no_regex)
    for (const Node& node : nodes) {
      if (node.directive.name() != "location") continue;
      const Kind kind = kind_of(node.directive);
      if ((kind.sign != "~" && kind.sign != "~*") || !matches(kind.pattern, path, kind.sign == "~*")) continue;
      const Found nested = location_in(node.children, path);
      return {nested.node ? nested.node : &node, true};
    }
  if (inner.node) return inner;
  return {longest, no_regex && longest};
}

const Node* named(const Node& server, const std::string& name) {
  for (const Node& node : server.children)
    if (node.directive.name() == "location" && "@" + kind_of(node.directive).pattern == name && kind_of(node.directive).sign == "@") return &node;
  return nullptr;
}

const Node* pass_in(const Node& block) {
  for (const Node& node : block.children)
    if (is_pass(node)) return &node;
  return nullptr;
}

void collect(const std::vector<Node>& nodes, std::string_view name, std::vector<const Node*>& into) {
  for (const Node& node : nodes) {
    if (node.directive.block && node.directive.name() == name) into.push_back(&node);
    else if (node.directive.block && node.directive.name() == "http") collect(node.children, name, into);
  }
}

}  // namespace

std::string address_of(std::string_view target) {
  const auto scheme = target.find("://");
  if (scheme != std::string_view::npos && !base::starts_with(target, "unix:")) target.remove_prefix(scheme + 3);
  if (base::starts_with(target, "unix:")) {
    target.remove_prefix(5);
    while (base::starts_with(target, "//")) target.remove_prefix(1);
    return "unix:" + std::string(target.substr(0, target.find(':')));
  }
  return std::string(target.substr(0, target.find('/')));
}

base::Result<Request> read_url(std::string_view url) {
  Request request;
  const auto bad = [&] { return base::fail({base::Kind::usage, "reading the URL " + base::printable(url, 200), "it is no http:// or https:// address", "triage http://HOST:PORT/PATH", 0}); };
  if (base::starts_with(url, "https://")) { request.tls = true; request.port = 443; url.remove_prefix(8); }
  else if (base::starts_with(url, "http://")) url.remove_prefix(7);
  else return bad();
  const auto slash = url.find_first_of("/?#");
  std::string_view authority = url.substr(0, slash);
  if (slash != std::string_view::npos && url[slash] == '/') request.path = std::string(url.substr(slash, url.find_first_of("?#") - slash));
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const auto port = base::read_number(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return bad();
    request.port = static_cast<std::uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (authority.empty()) return bad();
  request.host = lower(authority);
  if (request.host == "localhost") request.address = "127.0.0.1";
  else if (request.host.front() == '[' || request.host.find_first_not_of("0123456789.") == std::string::npos) request.address = request.host;
  return request;
}

Route route_of(const Tree& tree, const Request& request) {
  Route route;
  std::vector<const Node*> servers, upstreams;
  collect(tree.top, "server", servers);
  collect(tree.top, "upstream", upstreams);
  route.server = server_of(servers, request);
  if (!route.server) return route;
  const auto note = [&](const Node& block) {
    for (const Node& node : block.children) {
      const std::string& name = node.directive.name();
      if (name == "if" || name == "rewrite" || name == "auth_request" || name == "js_content" || base::contains(name, "_by_lua")) route.notes.push_back(name + " at " + tree.place(node) + " may decide otherwise");
      if (name == "return") route.notes.push_back("return at " + tree.place(node) + " answers");
    }
  };
  note(*route.server);
  const Node* location = location_in(route.server->children, request.path).node;
  for (int hops = 0; location && hops < 4; ++hops) {
    route.location = location;
    note(*location);
    route.pass = pass_in(*location);
    if (route.pass) break;
    // `try_files $uri @app` and `error_page 404 = @app` go on to a named location.
    const Node* next = nullptr;
    for (const Node& node : location->children)
      if (node.directive.name() == "try_files" || node.directive.name() == "error_page") {
        next = named(*route.server, node.directive.words.back().text);
        if (next) route.notes.push_back(node.directive.name() + " at " + tree.place(node) + ": files that exist are answered before");
      }
    location = next;
  }
  if (!route.pass) return route;
  const std::string target = address_of(route.pass->directive.argument(0));
  if (base::contains(target, "$")) {
    route.notes.push_back("its address has a variable: " + base::printable(target, 80));
    return route;
  }
  for (const Node* upstream : upstreams) {
    if (upstream->directive.argument(0) != target) continue;
    route.upstream = target;
    for (const Node& node : upstream->children) {
      if (node.directive.name() != "server") continue;
      const auto& words = node.directive.words;
      const auto has = [&](std::string_view flag) { return std::ranges::any_of(words, [&](const Word& word) { return word.text == flag; }); };
      if (!has("down") && !has("backup")) route.peers.push_back(address_of(node.directive.argument(0)));
    }
    return route;
  }
  route.peers.push_back(target);
  return route;
}

}  // namespace parse::nginx
