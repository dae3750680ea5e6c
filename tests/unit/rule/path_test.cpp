#include "model/build.hpp"
#include "rule/judge.hpp"
#include "support/catch.hpp"

namespace {

using namespace evidence;

struct Member { std::string address, role{}; bool listens = true; };

// An upstream "app" of these members on one machine, with the sockets that listen.
Evidence scene(const std::vector<Member>& members, const std::string& next_upstream = "", bool seen = true) {
  Evidence evidence;
  Source sockets;
  sockets.name = "sockets";
  sockets.kind = SourceKind::proc;
  sockets.live = seen;
  const auto source = evidence.add_source(sockets);
  const auto add = [&](What what, int pid = 0) {
    Fact fact;
    fact.what = std::move(what);
    fact.origin.source = source;
    fact.about.pid = pid;
    fact.about.space = PidSpace::host;
    evidence.add(std::move(fact));
  };
  for (const auto& member : members) add(ProxyRoute{"app", member.address, "/", member.role});
  if (!next_upstream.empty()) add(SettingRead{"nginx.proxy_next_upstream", next_upstream, "file", "location /, server example.org", true});
  add(ListenDrops{0, 0, 7}, 812);
  for (const auto& member : members)
    if (member.listens) add(ListenerSeen{member.address, "450", "", "", 1, 0, 128, 7});
  return evidence;
}

std::string told(const Evidence& evidence) {
  std::string text;
  for (const auto& finding : rule::judge(model::build(evidence), evidence, rule::built_in_cards())) {
    text += std::string(rule::level_text(finding.level)) + " " + finding.message + "\n";
    for (const auto& excluded : finding.ruled_out) text += "  not " + excluded.cause + ": " + excluded.because + "\n";
  }
  return text;
}

const std::string remark = "  not proxy.retries: a connection that fails sends nothing, so the next member gets a POST as well; only what was sent already is not repeated (POST, LOCK, PATCH without non_idempotent)\n";

}  // namespace

TEST_CASE("all members dead is 502") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002", "", false}})) ==
        "error nothing listens at 127.0.0.1:8001 (111: Connection refused): clients get 502\n"
        "error nothing listens at 127.0.0.1:8002 (111: Connection refused): clients get 502\n");
  CHECK(told(scene({{"127.0.0.1:8001", "", false}})) == "error nothing listens at 127.0.0.1:8001 (111: Connection refused): clients get 502\n");
}

TEST_CASE("one of several members dead is a warning that names who takes the requests") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002"}})) == "warning nothing listens at 127.0.0.1:8001 (111: Connection refused): 127.0.0.1:8002 of upstream app takes the requests\n" + remark);
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002"}, {"127.0.0.1:8003"}, {"127.0.0.1:8004", "backup"}})) ==
        "warning nothing listens at 127.0.0.1:8001 (111: Connection refused): 2 other members of upstream app take the requests\n" + remark);
}

TEST_CASE("nobody takes them where the proxy may not ask another") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002"}}, "off")) ==
        "error nothing listens at 127.0.0.1:8001 (111: Connection refused): requests whose turn it is get 502, for proxy_next_upstream gives them to no other member of upstream app\n");
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002"}}, "error timeout http_503")) ==
        "warning nothing listens at 127.0.0.1:8001 (111: Connection refused): 127.0.0.1:8002 of upstream app takes the requests\n" + remark);
}

TEST_CASE("a dead backup is a warning") {
  CHECK(told(scene({{"127.0.0.1:8001"}, {"127.0.0.1:8002", "backup", false}})) ==
        "warning nothing listens at 127.0.0.1:8002 (111: Connection refused): it is a backup of upstream app, whose primary 127.0.0.1:8001 takes the requests: clients get 502 only when that fails too\n");
}

TEST_CASE("dead primaries with a backup that lives are warnings that say so") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002", "backup"}})) ==
        "warning nothing listens at 127.0.0.1:8001 (111: Connection refused): no primary member of upstream app that can be seen answers; its backup 127.0.0.1:8002 takes the requests\n" + remark);
}

TEST_CASE("members on other machines may answer") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"10.0.0.2:8000", "", false}})) ==
        "warning nothing listens at 127.0.0.1:8001 (111: Connection refused): clients get 502 unless 10.0.0.2:8000 of upstream app, which cannot be seen from here, takes the requests\n");
}

TEST_CASE("where sockets were not listed nobody is called dead") {
  CHECK(told(scene({{"127.0.0.1:8001", "", false}, {"127.0.0.1:8002"}}, "", false)).empty());
}

namespace {

// nginx may open a socket's file, and nobody who was seen listens on it.
Evidence left_behind(std::uint64_t unseen) {
  Evidence evidence = scene({{"unix:/run/app.sock", "", false}});
  const auto add = [&](What what) {
    Fact fact;
    fact.what = std::move(what);
    fact.about = {812, PidSpace::host, {}};
    evidence.add(std::move(fact));
  };
  SocketWalk walk;
  walk.path = walk.wall = "/run/app.sock";
  walk.result = "open";
  walk.file = "31@5";
  add(walk);
  add(NamespacesListed{3, unseen});
  return evidence;
}

}  // namespace

TEST_CASE("a stale socket file is certain where every network namespace was looked into") {
  const auto sure = [](const Evidence& evidence) {
    const auto findings = rule::judge(model::build(evidence), evidence, rule::built_in_cards());
    REQUIRE(findings.size() == 1);
    return findings[0].rule + " " + std::string(rule::confidence_text(findings[0].sure)) + ": " + findings[0].sure_because;
  };
  CHECK(sure(left_behind(0)) == "socket.refused certain: the file is there, and no listener of any network namespace of this host is bound to it");
  CHECK(sure(left_behind(1)) == "socket.refused unknown: no listener of the namespaces that were looked into is bound to this file; a container's may be");
}

TEST_CASE("a listener on the same file under another name is found") {
  Evidence evidence = left_behind(0);
  Fact fact;
  fact.what = ListenerSeen{"unix:/app/run/app.sock", "77", "31@5", "yes", 9, 0, 128, 8};
  evidence.add(std::move(fact));
  CHECK(told(evidence).empty());
}

namespace {

// Made by hand, for no kernel with SELinux runs the tests: nginx is confined, every mode lets it pass, and its log says 13.
Evidence confined(const std::string& label, std::int64_t refused_s) {
  Evidence evidence = scene({{"unix:/run/app.sock", ""}});
  const auto add = [&](What what, std::int64_t at) {
    Fact fact;
    fact.what = std::move(what);
    fact.about = {812, PidSpace::host, {}};
    fact.when = base::Instant{base::Clock::wall, at * base::second_ns, 0};
    evidence.add(std::move(fact));
  };
  SocketWalk walk;
  walk.path = walk.wall = "/run/app.sock";
  walk.result = "open";
  walk.file = "31@5";
  walk.walker = "nginx";
  walk.confined = label;
  add(walk, 10'000);
  ProxyError row;
  row.kind = "denied";
  row.code = 13;
  row.upstream = "http://unix:/run/app.sock:/";
  add(row, refused_s);
  return evidence;
}

}  // namespace

TEST_CASE("refused though every mode grants: the policy that confines nginx, as likely at most") {
  const auto findings = [](const Evidence& evidence) { return rule::judge(model::build(evidence), evidence, rule::built_in_cards()); };
  const auto found = findings(confined("system_u:system_r:httpd_t:s0", 9'990));
  REQUIRE(found.size() == 1);
  CHECK(found[0].rule == "socket.permission");
  CHECK(found[0].sure == rule::Confidence::likely);
  CHECK(found[0].message == "nginx may not open /run/app.sock (13: Permission denied), while the server is healthy: clients get 502; no mode on the way refuses, so it is the policy that confines nginx as system_u:system_r:httpd_t:s0");
  // Long ago, it may have been mended; without a policy nothing is left that could refuse.
  CHECK(findings(confined("system_u:system_r:httpd_t:s0", 100)).empty());
  CHECK(findings(confined("", 9'990)).empty());
}
