#include <array>

#include "rule/condition/condition.hpp"

namespace rule::condition {

namespace {

// Of one pass (proxy_pass, uwsgi_pass...) with what is in force where it stands.
constexpr Word pass_words[] = {
    {"prefix", Type::text, "proxy, uwsgi, fastcgi, grpc or scgi"},
    {"target", Type::text, "what the pass names"},
    {"peers", Type::number, "how many servers its upstream names, those that are down too"},
    {"assumed_old", Type::truth, "nginx is older than 1.29.7, or nothing says how new it is"},
    {"variable", Type::truth, "the target holds a variable"},
    {"connect_timeout", Type::seconds, "its own ..._connect_timeout"},
    {"read_timeout", Type::seconds, "its own ..._read_timeout"},
    {"send_timeout", Type::seconds, "its own ..._send_timeout"},
    {"next_upstream", Type::list, "the words of ..._next_upstream"},
    {"next_upstream_tries", Type::number, "0 = no limit"},
    {"next_upstream_timeout", Type::seconds, "0 = no limit"},
    {"max_fails", Type::number, "the least of its peers' max_fails"},
    {"fail_timeout", Type::seconds, "the least of its peers' fail_timeout"},
    {"http_version", Type::text, "proxy_http_version; the default changed in 1.29.7"},
    {"connection_cleared", Type::truth, "proxy_set_header Connection \"\" is in force"},
    {"keepalive", Type::number, "idle connections kept to the upstream; 0 = none"},
    {"keepalive_timeout", Type::seconds, "how long those are kept"},
    {"buffering", Type::truth, "..._buffering"},
    {"request_buffering", Type::truth, "..._request_buffering"},
    {"ignore_client_abort", Type::truth, "..._ignore_client_abort"},
    {"buffer_size", Type::bytes, "..._buffer_size"},
    {"unix_path", Type::text, "the socket's path, '' for TCP"},
    {"version", Type::version, "of nginx"},
};

// Of one gunicorn server: its settings under their names, after precedence.
constexpr Word server_words[] = {
    {"class", Type::text, "sync, gthread, gevent, eventlet, uvicorn, tornado or asgi, as it runs: threads make sync gthread"},
    {"worker_class", Type::text, "as it is written"},
    {"workers", Type::number, "how many"},
    {"threads", Type::number, "of each worker"},
    {"timeout", Type::seconds, "the worker timeout"},
    {"graceful_timeout", Type::seconds, "what a worker may take to finish at a stop"},
    {"keepalive", Type::seconds, "how long an idle connection is kept"},
    {"max_requests", Type::number, "0 = never recycled"},
    {"max_requests_jitter", Type::number, "spread of max_requests"},
    {"worker_connections", Type::number, "per worker; of no use to sync"},
    {"backlog", Type::number, "of the listening socket"},
    {"preload_app", Type::truth, "the application is loaded before the fork"},
    {"reload", Type::truth, "workers restart when code changes"},
    {"daemon", Type::truth, "it goes into the background"},
    {"reuse_port", Type::truth, "SO_REUSEPORT"},
    {"umask", Type::text, "as it is written"},
    {"worker_tmp_dir", Type::text, "where the heartbeat file lies"},
    {"forwarded_allow_ips", Type::text, "whose X-Forwarded-* are believed"},
    {"chdir", Type::text, "its folder"},
    {"wsgi_app", Type::text, "the application"},
    {"behind_nginx", Type::truth, "a pass of nginx here reaches it"},
    {"has_command", Type::truth, "the command that starts it is known"},
    {"in_container", Type::truth, "its command stands in an image, a service or a pod"},
    {"supervised", Type::truth, "a service manager or a container runtime starts it"},
    {"public_bind", Type::truth, "it binds all interfaces"},
    {"unix_bind", Type::truth, "it binds a socket file"},
    {"version", Type::version, "of gunicorn"},
};

// Of a server and what starts and stops it.
constexpr Word stop_words[] = {
    {"graceful_timeout", Type::seconds, "of the server"},
    {"timeout", Type::seconds, "the server's worker timeout"},
    {"class", Type::text, "the server's worker class"},
    {"preload_app", Type::truth, "the application is loaded before the fork"},
    {"daemon", Type::truth, "the server goes into the background"},
    {"max_requests", Type::number, "of the server"},
    {"worker_connections", Type::number, "of the server"},
    {"limit_nofile", Type::number, "systemd: LimitNOFILE"},
    {"timeout_stop", Type::seconds, "systemd: TimeoutStopSec"},
    {"kill_mode", Type::text, "systemd: KillMode"},
    {"kill_signal", Type::text, "systemd: KillSignal"},
    {"restart", Type::text, "systemd: Restart"},
    {"type", Type::text, "systemd: Type"},
    {"exec_reload", Type::text, "systemd: ExecReload"},
    {"private_tmp", Type::truth, "systemd: PrivateTmp"},
    {"reload_hup", Type::truth, "systemd: ExecReload sends HUP"},
    {"socket_unit", Type::truth, "systemd: a .socket unit of that name is here"},
    {"stop_signal", Type::text, "of an image, a service, a program"},
    {"stop_grace", Type::seconds, "compose: stop_grace_period"},
    {"stopwait", Type::seconds, "supervisor: stopwaitsecs"},
    {"grace", Type::seconds, "Kubernetes: terminationGracePeriodSeconds"},
    {"prestop", Type::seconds, "Kubernetes: what the preStop hook takes"},
    {"server", Type::text, "gunicorn, uwsgi, php-fpm, puma, unicorn, uvicorn; '' unknown"},
    {"exec_start", Type::text, "systemd: ExecStart"},
    {"liveness", Type::text, "Kubernetes: http, tcp, exec or grpc; '' none"},
    {"liveness_window", Type::seconds, "Kubernetes: periodSeconds times failureThreshold of the liveness probe"},
    {"prestop_set", Type::truth, "Kubernetes: there is a preStop hook"},
    {"serves", Type::truth, "Kubernetes: a Deployment, StatefulSet or DaemonSet, not a job"},
    {"kind", Type::text, "unit, image, service, pod, process, program or script"},
};

// Of a pass joined to the server behind it.
constexpr Word chain_words[] = {
    {"read_timeout", Type::seconds, "of the pass"},
    {"connect_timeout", Type::seconds, "of the pass"},
    {"request_buffering", Type::truth, "of the pass"},
    {"buffering", Type::truth, "of the pass"},
    {"public_bind", Type::truth, "the server binds all interfaces"},
    {"in_container", Type::truth, "the server runs in a container"},
    {"connection_kept", Type::truth, "nginx really keeps connections to the upstream: HTTP/1.1 and no Connection: close"},
    {"peers", Type::number, "of the pass"},
    {"next_upstream", Type::list, "of the pass"},
    {"next_upstream_tries", Type::number, "of the pass"},
    {"next_upstream_timeout", Type::seconds, "of the pass"},
    {"proxy_keepalive", Type::number, "idle connections that nginx keeps to the server"},
    {"proxy_keepalive_timeout", Type::seconds, "how long nginx keeps them"},
    {"proxy_keepalive_set", Type::truth, "keepalive stands in the upstream block"},
    {"nginx_version", Type::version, "of nginx"},
    {"unix_path", Type::text, "the socket's path, '' for TCP"},
    {"class", Type::text, "of the server"},
    {"timeout", Type::seconds, "of the server"},
    {"graceful_timeout", Type::seconds, "of the server"},
    {"keepalive", Type::seconds, "of the server"},
    {"backlog", Type::number, "of the server"},
    {"workers", Type::number, "of the server"},
    {"server_version", Type::version, "of the server"},
};

constexpr std::array all_scopes{
    Scope{"nginx.pass", pass_words, "one proxy_pass, uwsgi_pass... with what is in force around it"},
    Scope{"gunicorn.server", server_words, "one gunicorn, its settings after precedence"},
    Scope{"server.stop", stop_words, "one server and the unit, container or program that starts and stops it"},
    Scope{"chain", chain_words, "a pass of nginx and the gunicorn behind it"},
};

}  // namespace

std::span<const Scope> scopes() { return all_scopes; }

const Scope* scope(std::string_view name) {
  for (const Scope& one : all_scopes)
    if (one.name == name) return &one;
  return nullptr;
}

}  // namespace rule::condition
