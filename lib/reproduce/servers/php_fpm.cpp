#include "base/text.hpp"
#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"-v"};
constexpr Native settings[] = {{"workers", "pm.max_children"}, {"timeout", "request_terminate_timeout"}, {"graceful_timeout", "process_control_timeout"}, {"backlog", "listen.backlog"}, {"max_requests", "pm.max_requests"}, {"umask", "listen.mode"}};
constexpr std::string_view faults[] = {"hang", "spin", "leak", "eat", "segfault", "ping_false_positive"};

// A request begins anew in PHP: nothing is counted over them ("every"), and what was opened is closed at the end.
constexpr const char* application = R"(<?php
set_time_limit(0);
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
file_put_contents('requests.log', getmypid() . ' ' . $_SERVER['REQUEST_METHOD'] . ' ' . $path . "\n", FILE_APPEND);

class Endless { public function __toString(): string { return (string) $this; } }

function suffer(string $path): void {
    foreach (explode("\n", (string) getenv('TRIAGE_FAULTS')) as $line) {
        $words = explode(',', $line);
        [$name, $value] = explode('=', $words[0], 2) + [1 => null];
        $where = '';
        foreach ($words as $word)
            if (str_starts_with($word, 'path=')) $where = substr($word, 5);
        if ($name === '' || !str_starts_with($path, $where)) continue;
        if ($name === 'hang') {
            // A signal cuts a sleep short.
            for ($end = microtime(true) + (float) ($value ?? 3600); microtime(true) < $end;) usleep(200000);
        } elseif ($name === 'spin') {
            hash_pbkdf2('sha512', 'secret', 'salt', 2000000000);
        } elseif ($name === 'ping_false_positive') {
            for ($end = microtime(true) + (float) ($value ?? 5); microtime(true) < $end;);
        } elseif ($name === 'leak') {
            $kept = str_repeat('x', (int) ($value ?? 1 << 20));
        } elseif ($name === 'eat') {
            if ($value === null) ini_set('memory_limit', '-1');   // else PHP's own limit ends the request, not the kernel the process
            for ($kept = [];;) $kept[] = random_bytes(1) . str_repeat('x', 4 << 20);
        } elseif ($name === 'segfault') {
            (string) new Endless();   // recursion on the stack of C, which nothing bounds
        }
    }
}

suffer($path);
header('Content-Type: text/plain');
if (str_starts_with($path, '/sleep')) {
    for ($end = microtime(true) + (float) ($_GET['s'] ?? 1); microtime(true) < $end;) usleep(10000);
    echo "Hello, world!\n";
} elseif (str_starts_with($path, '/exit')) {
    exit((int) ($_GET['code'] ?? 7));   // ends the script, not the process
} elseif (str_starts_with($path, '/status')) {
    http_response_code((int) ($_GET['code'] ?? 204));
} elseif (str_starts_with($path, '/pid')) {
    echo getmypid();
} elseif (str_starts_with($path, '/echo')) {
    readfile('php://input');
} else {
    echo "Hello, world!\n";
}
)";

Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  const std::string user = asked.scenario.server.user.empty() ? "www-data" : asked.scenario.server.user;
  std::string global = "[global]\ndaemonize = no\nerror_log = " + folder + "/error.log\npid = " + folder + "/server.pid\n";
  // pm as a pool of so many workers; "pm = dynamic" among its own lines is a later word for it.
  std::string pool = "[www]\nuser = " + user + "\nlisten = " + (asked.on_socket() ? asked.site.back.path : asked.host_port()) + "\nlisten.owner = www-data\nlisten.group = www-data\npm = static\nchdir = " + folder +
                     "\nclear_env = no\naccess.log = " + folder + "/access.log\n";
  for (const auto& [name, value] : asked.settings) {
    if (name == "process_control_timeout") global += name + " = " + value + "\n";
    else if (name == "listen.mode") pool += name + " = " + (value == "0077" || value == "077" ? "0600" : "0660") + "\n";
    else pool += name + " = " + value + "\n";
  }
  if (asked.value("pm.max_children").empty()) pool += "pm.max_children = 1\n";
  for (const std::string& line : asked.also) pool += line + "\n";
  return {{"-F", "-y", folder + "/php-fpm.conf"}, {}, {{"php-fpm.conf", global + pool}, {"place.php", application}}, {}};
}

}  // namespace

extern const ServerKind php_fpm = {
    .name = "php-fpm", .programs = "php-fpm8.2 php-fpm", .needs = {}, .package = "php8.2-fpm", .version = version, .speaks = "fastcgi", .fronted = true, .settings = settings, .faults = faults, .compose = compose};

}  // namespace reproduce::servers_of
