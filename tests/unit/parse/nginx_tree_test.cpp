#include "parse/nginx/tree.hpp"

#include "source/recorded_host.hpp"
#include "support/catch.hpp"

namespace nginx = parse::nginx;

TEST_CASE("an include pattern takes names as glob does") {
  CHECK(nginx::fits("a.conf", "*.conf"));
  CHECK_FALSE(nginx::fits("a.conf~", "*.conf"));
  CHECK_FALSE(nginx::fits(".a.conf", "*.conf"));
  CHECK(nginx::fits(".a.conf", ".*"));
  CHECK(nginx::fits("site-3", "site-[0-9]"));
  CHECK_FALSE(nginx::fits("site-x", "site-[0-9]"));
  CHECK(nginx::fits("site-x", "site-[!0-9]"));
  CHECK(nginx::fits("aXbXc", "a*b*c"));
  CHECK_FALSE(nginx::fits("aXbX", "a*b*c"));
  CHECK(nginx::fits("ab", "a?"));
  CHECK(nginx::fits("a*", "a\\*"));
  CHECK_FALSE(nginx::fits("ax", "a\\*"));
  CHECK(nginx::fits("[", "["));
  CHECK(nginx::fits("", "*"));
}

namespace {

nginx::Tree tree_of(std::string text, std::map<std::string, std::string> more = {}) {
  more["/etc/nginx/nginx.conf"] = std::move(text);
  return nginx::read_tree(source::TextHost(std::move(more)), "", "/etc/nginx/nginx.conf");
}

}  // namespace

TEST_CASE("includes stand in their place, relative to the main file also from nested ones") {
  const auto tree = tree_of("http { include conf.d/*.conf; include mime.types; server { listen 80; } }\n",
                            {{"/etc/nginx/conf.d/b.conf", "upstream b { server 127.0.0.1:2; }"}, {"/etc/nginx/conf.d/a.conf", "upstream a {\n  server 127.0.0.1:1;\n  include snippets/more;\n}"}, {"/etc/nginx/snippets/more", "keepalive 8;"}, {"/etc/nginx/conf.d/x.bak", "bad"}});
  REQUIRE(tree.top.size() == 1);
  const auto& http = tree.top[0].children;
  REQUIRE(http.size() == 4);
  CHECK(http[0].directive.argument(0) == "a");
  CHECK(tree.place(http[0].children[0]) == "/etc/nginx/conf.d/a.conf:2:3");
  CHECK(tree.place(http[0].children[1]) == "/etc/nginx/snippets/more:1:1");
  CHECK(http[1].directive.argument(0) == "b");
  CHECK(http[2].directive.argument(0) == "mime.types");  // not there: it stays, for settings may be missing
  CHECK(http[3].directive.name() == "server");
  CHECK(tree.files.size() == 4);
  CHECK(tree.missing == std::vector<std::string>{"/etc/nginx/mime.types"});
  REQUIRE(tree.unread.size() == 1);
  CHECK(tree.unread[0].path == "/etc/nginx/mime.types");
  CHECK_FALSE(tree.unread[0].cycle);
}

TEST_CASE("paths of another machine are looked for where they are said to stand") {
  const source::TextHost host(std::map<std::string, std::string>{{"/repo/nginx.conf", "include /etc/nginx/a.conf;\ninclude /elsewhere/b.conf;"}, {"/repo/a.conf", "user x;"}});
  const auto tree = nginx::read_tree(host, "", "/repo/nginx.conf", [](const std::string& path) { return path == "/etc/nginx/a.conf" ? std::string("/repo/a.conf") : std::string(); });
  REQUIRE(tree.top.size() == 2);
  CHECK(tree.place(tree.top[0]) == "/repo/a.conf:1:1");
  REQUIRE(tree.unread.size() == 1);
  CHECK(tree.unread[0].path == "/elsewhere/b.conf");
}

TEST_CASE("a file that includes itself ends, and is said") {
  const auto tree = tree_of("include nginx.conf;");
  REQUIRE(tree.wrong.size() == 1);
  CHECK(tree.wrong[0].what == "it includes itself, or too many files");
  CHECK(nginx::read_tree(source::TextHost(std::map<std::string, std::string>{}), "", "/none").files.empty());
}
