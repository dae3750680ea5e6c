#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "parse/format.hpp"
#include "parse/nginx/syntax.hpp"
#include "support/catch.hpp"

namespace {

const parse::Document& document() {
  for (const auto* one : parse::configs())
    if (one->name == "nginx configuration") return *one;
  throw std::runtime_error("no nginx configuration among the documents");
}

evidence::Evidence read(std::string_view text) {
  evidence::Evidence evidence;
  evidence::Source source;
  source.name = "nginx.conf";
  parse::Sink sink(evidence, evidence.add_source(source));
  document().read(text, sink);
  return evidence;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const auto& fact : read(text).facts) {
    if (!out.empty()) out += "; ";
    out += std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column) + " ";
    if (const auto* const setting = evidence::as<evidence::SettingRead>(fact)) out += setting->name + "=" + (setting->literal ? "" : "?") + setting->value + (setting->condition.empty() ? "" : " [" + setting->condition + "]");
    if (const auto* const route = evidence::as<evidence::ProxyRoute>(fact)) out += "route " + route->location + " -> " + route->upstream + " " + route->address;
  }
  return out;
}

// name(words){ ... }
std::string tree(std::string_view text) {
  std::string out;
  const auto reading = parse::nginx::walk(text, {[&](const parse::nginx::Directive& directive, auto) {
                                                   for (std::size_t i = 0; i < directive.words.size(); ++i) out += (i ? "," : "") + directive.words[i].text;
                                                   out += directive.block ? "{ " : "; ";
                                                 },
                                                 [&](const parse::nginx::Directive&, auto) { out += "} "; }});
  if (reading.wrong_line) out += "!" + std::to_string(reading.wrong_line) + " " + reading.wrong;
  return out;
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("nginx's words, directives and blocks") {
  CHECK(tree("a b  c; # no;\nd { e 'x y' \"z\\\"q\"; }\n") == "a,b,c; d{ e,x y,z\"q; } ");
  CHECK(tree("location ~ ^/a{2}$ { x; }") == "location,~,^/a{ 2}${ x; } !1 the block is not closed");  // as nginx splits it
  CHECK(tree("set $a \"${b}c\"; set $d ${e}f; log a#b;") == "set,$a,${b}c; set,$d,${e}f; log,a#b; ");
  CHECK(tree("a \\t\\\\n \\d;") == "a,\t\\n,\\d; ");
  CHECK(tree("map $x $y { default 0; ~^a 1; }") == "map,$x,$y{ default,0; ~^a,1; } ");
  CHECK(tree("content_by_lua_block { if x then y = \"}\" end -- }\n t = {1} } b;") == "content_by_lua_block{ b; ");
  CHECK(tree("\xef\xbb\xbf" "a;") == "a; ");
  CHECK(tree("") == "");
}

TEST_CASE("broken nginx files say where and never crash") {
  CHECK(tree("a {\n b;\n") == "a{ b; !1 the block is not closed");
  CHECK(tree("a;\n}\n") == "a; !2 a brace closes nothing");
  CHECK(tree("a b\n") == "!1 the directive has no end");
  CHECK(tree("a {\n b }\n") == "a{ } !2 the directive has no end");
  CHECK(tree("a 'x\n;") == "!1 the quote is not closed");
  CHECK(tree(";") == "!1 a directive without a name");
  CHECK(tree("{ a; }") == "{ a; } !1 a block without a name");
  std::string deep(100'000, '{'), bytes;
  CHECK_FALSE(tree(deep).empty());
  unsigned seed = 3;
  constexpr std::string_view alphabet = "ab {};'\"\\\n\t#${}location proxy_pass http://x\x01\xff";
  for (int i = 0; i < 200000; ++i) {
    seed = seed * 1103515245 + 12345;
    bytes += alphabet[(seed >> 16) % alphabet.size()];
  }
  CHECK(read(bytes).gaps.size() <= 3);
}

TEST_CASE("nginx: routes join locations and upstreams, in either order") {
  CHECK(shown("server { location / { proxy_pass http://app/x; } }\nupstream app { server 127.0.0.1:8000 max_fails=0; server unix:/run/a.sock; }") == "2:16 nginx.upstream.server=127.0.0.1:8000 max_fails=0 [upstream app]; 1:23 route / -> app 127.0.0.1:8000; 1:23 route / -> app unix:/run/a.sock");
  CHECK(shown("location = /a { proxy_pass http://unix:/run/g.sock:/b; }\nlocation @x { uwsgi_pass unix:///var/run/u.sock; }\nlocation /p { fastcgi_pass php:9000; }") ==
        "1:17 route = /a ->  unix:/run/g.sock; 2:15 route @x ->  unix:/var/run/u.sock; 3:15 route /p ->  php:9000");
  CHECK(shown("upstream app { server a:1; keepalive 32; keepalive_timeout 5s; }") == "1:28 nginx.keepalive=32 [upstream app]; 1:42 nginx.upstream.keepalive_timeout=5s [upstream app]; 1:16 route  -> app a:1");
}

TEST_CASE("nginx: settings say in which block they stand") {
  CHECK(shown("http {\n  keepalive_timeout 65;\n  server {\n    location /api {\n      proxy_read_timeout 300s;\n      proxy_connect_timeout $t;\n    }\n    server_name x.org y.org;\n  }\n}\n") ==
        "2:3 nginx.keepalive_timeout=65; 5:7 nginx.proxy_read_timeout=300s [location /api, server x.org]; 6:7 nginx.proxy_connect_timeout=?$t [location /api, server x.org]; 8:5 nginx.server_name=x.org y.org [server x.org]");
  CHECK(shown("log_format main '$remote_addr - $status' '$request_time';\nproxy_set_header Host $host;\n") == "1:1 nginx.log_format=main $remote_addr - $status$request_time");
  CHECK(read("server { proxy_read_timeout 5s; ").gaps.front().reason == "line 1: the block is not closed");
}

TEST_CASE("nginx configurations of the wild are recognised and read") {
  const std::filesystem::path corpus = std::string(TRIAGE_SOURCE_DIR) + "/../shared/corpus";
  if (!std::filesystem::exists(corpus)) {
    WARN("skipped: no corpus beside the source");
    return;
  }
  int files = 0, taken = 0, whole = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus / "nginx")) {
    const std::string text = slurp(entry.path());
    if (text.find("{{") != std::string::npos || text.find("{%") != std::string::npos || text.find("<%") != std::string::npos) continue;  // templates
    INFO(entry.path());
    ++files;
    taken += document().sure("-", text.substr(0, 4096)) > 49;
    const bool clean = read(text).gaps.empty();
    whole += clean;
    if (!clean) UNSCOPED_INFO(entry.path() << ": " << read(text).gaps.front().reason);
  }
  INFO(taken << " taken, " << whole << " whole of " << files);
  CHECK(files >= 35);
  CHECK(taken >= files - 6);  // the rest are snippets of a few headers
  CHECK(whole == files);
  for (const char* other : {"gunicorn", "systemd", "uwsgi", "phpfpm", "ruby", "container"})
    for (const auto& entry : std::filesystem::directory_iterator(corpus / other)) {
      INFO(entry.path());
      CHECK(document().sure("-", slurp(entry.path()).substr(0, 4096)) <= 49);
    }
}
