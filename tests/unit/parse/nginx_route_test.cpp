#include "parse/nginx/route.hpp"

#include "source/recorded_host.hpp"
#include "support/catch.hpp"

namespace nginx = parse::nginx;

namespace {

constexpr const char* site = R"(
http {
  upstream app { server unix:/run/app.sock; server 10.0.0.2:8000 backup; server 10.0.0.3:8000 down; }
  server {
    listen 80 default_server;
    server_name example.org *.example.org;
    location / { proxy_pass http://app; }
    location = / { return 200; }
    location /static/ { root /srv; }
    location ^~ /api/ { proxy_pass http://127.0.0.1:9000/v1/; }
    location ~ \.php$ { fastcgi_pass unix:/run/php.sock; }
    location ~* /UP { uwsgi_pass 127.0.0.1:9001; }
    location /files { try_files $uri @app; location ~ /deep { proxy_pass http://127.0.0.1:9002; } }
    location @app { proxy_pass http://$backend; }
  }
  server { listen 80; server_name ~^api\d+\.; location / { proxy_pass http://127.0.0.1:9003; } }
  server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:9004; } }
  server { listen 8080; server_name other; location / { proxy_pass http://127.0.0.1:9005; } }
})";

source::TextHost host_of(const char* text) { return source::TextHost(std::map<std::string, std::string>{{"/n.conf", text}}); }

std::string way(const std::string& url) {
  const auto tree = nginx::read_tree(host_of(site), "", "/n.conf");
  const auto request = nginx::read_url(url);
  if (!request) return "refused";
  const auto route = nginx::route_of(tree, *request);
  if (!route.server) return "no server";
  std::string text = route.pass ? route.pass->directive.argument(0) : "itself";
  for (const auto& peer : route.peers) text += " > " + peer;
  return text;
}

}  // namespace

TEST_CASE("a location is chosen as nginx does") {
  CHECK(way("http://example.org/report") == "http://app > unix:/run/app.sock");
  CHECK(way("http://example.org") == "itself");
  CHECK(way("http://example.org/static/a.css") == "itself");
  CHECK(way("http://example.org/static/a.php") == "unix:/run/php.sock > unix:/run/php.sock");
  CHECK(way("http://example.org/api/a.php?x=/up") == "http://127.0.0.1:9000/v1/ > 127.0.0.1:9000");
  CHECK(way("http://example.org/x/up") == "127.0.0.1:9001 > 127.0.0.1:9001");
  CHECK(way("http://example.org/files/deep") == "http://127.0.0.1:9002 > 127.0.0.1:9002");
  CHECK(way("http://example.org/files/a") == "http://$backend");
}

TEST_CASE("a server block is chosen by address, then by name") {
  CHECK(way("http://www.example.org/a") == "http://app > unix:/run/app.sock");
  CHECK(way("http://api7.test/a") == "http://127.0.0.1:9003 > 127.0.0.1:9003");
  CHECK(way("http://unknown.test/a") == "http://app > unix:/run/app.sock");
  CHECK(way("http://127.0.0.1:8080/") == "http://127.0.0.1:9004 > 127.0.0.1:9004");
  CHECK(way("http://10.0.0.9:8080/") == "http://127.0.0.1:9005 > 127.0.0.1:9005");
  CHECK(way("http://other:8080/") == "http://127.0.0.1:9005 > 127.0.0.1:9005");
  CHECK(way("http://example.org:81/") == "no server");
  CHECK(way("ftp://example.org/") == "refused");
  CHECK(way("http://example.org:port/") == "refused");
  CHECK(way("http://") == "refused");
}

TEST_CASE("what only a request decides is said") {
  const auto tree = nginx::read_tree(host_of("server { listen 80; location / { if ($x) { return 403; } proxy_pass http://a:1; } }"), "", "/n.conf");
  const auto route = nginx::route_of(tree, *nginx::read_url("http://h/"));
  REQUIRE(route.notes.size() == 1);
  CHECK(route.notes[0] == "if at /n.conf:1:34 may decide otherwise");
  CHECK(route.peers == std::vector<std::string>{"a:1"});
}
