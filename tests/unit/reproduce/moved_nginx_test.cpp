// A user's nginx.conf in a run's folder: what stays, what is moved, what is left out and said.
#include "reproduce/moved_nginx.hpp"

#include "source/bundle.hpp"
#include "support/catch.hpp"

using namespace reproduce;

namespace {

Move moved(const std::string& conf, const std::vector<std::string>& asked = {"/hello"}, const std::string& included = "") {
  const auto host = source::bundle_host({{"etc/nginx/nginx.conf", conf}, {"etc/nginx/snippets/app.conf", included}});
  return move_nginx(parse::nginx::read_tree(*host, "", "/etc/nginx/nginx.conf"), asked);
}

}  // namespace

TEST_CASE("a site is moved with what decides how it answers") {
  const Move move = moved(R"(
user nobody-of-that-name; worker_processes auto; load_module modules/ngx_http_brotli_filter_module.so;
events { worker_connections 768; use epoll; }
http {
  include /etc/nginx/mime.types; include /etc/nginx/tuning.conf;
  log_format main '$remote_addr "$request"'; access_log /var/log/nginx/access.log main; brotli on;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  proxy_cache_path /var/cache/nginx levels=1:2 keys_zone=app:10m;
  upstream app { least_conn; server 10.0.0.5:8000 max_fails=3 fail_timeout=10s; server 10.0.0.6:8000 backup; keepalive 16; }
  server { listen 80; server_name shop.example; return 301 https://$host$request_uri; }
  server {
    listen 443 ssl http2; server_name shop.example; ssl_certificate /etc/ssl/shop.pem;
    if ($scheme = http) { return 301 https://$host$request_uri; }
    auth_basic "staff"; proxy_read_timeout 1m30s; client_max_body_size 20m;
    location ~ "^/v[0-9]{2}/" { proxy_pass http://10.0.0.7:9000; }
    location /api/ { include snippets/app.conf; }
    location / { proxy_pass http://app; proxy_set_header Connection $connection_upgrade; }
  }
})", {"/hello", "/api/x"}, "proxy_pass http://app/v1/; proxy_connect_timeout 500ms;");
  INFO(move.why);
  REQUIRE(move.moved);
  CHECK(move.moved->text == R"(worker_processes 1;
pid nginx.pid;
error_log nginx-error.log info;
events {
  worker_connections 768;
  use epoll;
}
http {
  client_body_temp_path nginx-temp;
  proxy_temp_path nginx-temp;
  fastcgi_temp_path nginx-temp;
  uwsgi_temp_path nginx-temp;
  scgi_temp_path nginx-temp;
  access_log nginx-access.log;
  upstream triage_repro_server { server {server}; }
  log_format main "$remote_addr \"$request\"";
  map $http_upgrade $connection_upgrade {
    default upgrade;
    "" close;
  }
  proxy_cache_path nginx-cache levels=1:2 keys_zone=app:10m;
  upstream app {
    least_conn;
    server {server} max_fails=3 fail_timeout=10s;
    server {server};
    keepalive 16;
  }
  server {
    listen {proxy_port} default_server;
    server_name shop.example;
    proxy_read_timeout {90s~};
    client_max_body_size 20m;
    location ~ "^/v[0-9]{2}/" {
      proxy_pass http://triage_repro_server;
    }
    location /api/ {
      proxy_pass http://app/v1/;
      proxy_connect_timeout {0.5s~};
    }
    location / {
      proxy_pass http://app;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
)");
  CHECK(move.moved->changed == std::vector<std::string>{"its user nobody-of-that-name is not known here: nginx takes its own",
                                                        "/etc/nginx/tuning.conf is included, and was not found",
                                                        "brotli (/etc/nginx/nginx.conf:6:89) is left out: no module that comes with nginx knows it",
                                                        "2 servers of upstream app are one here, as often",
                                                        "server blocks that do not lead to the server are left out",
                                                        "TLS is left out: clients speak HTTP here",
                                                        "the way from http to https (/etc/nginx/nginx.conf:13:5) is left out",
                                                        "who may come in (auth_basic at /etc/nginx/nginx.conf:14:5) is left out"});
}

TEST_CASE("what cannot be moved says why") {
  CHECK(moved("events {} http { server { return 200; } }").why == "no server block of it passes requests on");
  CHECK(moved("events {} http { server { location / { uwsgi_pass unix:/run/app.sock; } } }").why == "it does not speak HTTP with its server");
  CHECK(moved("events {} http { server { location /api/ { proxy_pass http://10.0.0.1; } } }").why == "/hello does not lead to the server there");
  CHECK(moved("events {} http { server {").why == "nginx would refuse it: the block is not closed");
}
