#include "parse/settings/document.hpp"
#include "parse/settings/yaml.hpp"
#include "support/catch.hpp"

namespace settings = parse::settings;

namespace {

// Every entry at its place, and the text at its offsets.
std::string told(std::string_view text, const settings::Document& document) {
  std::string out;
  for (const auto& entry : document.entries) {
    out += std::to_string(entry.key_at.line) + ":" + std::to_string(entry.key_at.column) + " [" + entry.section + "] " + entry.key + "=" + entry.value + "\n";
    if (!text.empty()) CHECK(entry.key_at.end <= text.size());
  }
  return out;
}

std::string shown(const settings::Yaml& node) {
  using Shape = settings::Yaml::Shape;
  if (node.shape == Shape::null) return "~";
  if (node.shape == Shape::scalar) return "'" + node.text + "'";
  std::string out = node.shape == Shape::list ? "[" : "{";
  for (const auto& item : node.items) out += shown(item) + ",";
  for (const auto& member : node.members) out += member.key + ":" + shown(member.value) + ",";
  return out + (node.shape == Shape::list ? "]" : "}");
}

std::string yaml(std::string_view text) {
  const auto file = settings::read_yaml(text);
  std::string out;
  for (const auto& document : file.documents) out += shown(document) + ";";
  for (const auto& wrong : file.wrong) out += " wrong at " + std::to_string(wrong.at.line) + ": " + wrong.what;
  return out;
}

}  // namespace

TEST_CASE("units: sections, continuations, comments between") {
  const std::string_view text = "[Service]\n# a comment\nExecStart=/bin/a \\\n# between\n  -b 1\n ; not this\nType = notify\n";
  CHECK(told(text, settings::read_ini(text, settings::Dialect::systemd)) == "3:1 [Service] ExecStart=/bin/a -b 1\n7:1 [Service] Type=notify\n");
  const auto broken = settings::read_ini("[Service\nfoo\n", settings::Dialect::systemd);
  REQUIRE(broken.wrong.size() == 2);
  CHECK(broken.wrong[0].what == "the section's bracket is not closed");
}

TEST_CASE("supervisor: a colon, a comment behind, a value that goes on") {
  const std::string_view text = "[program:web]\ncommand=gunicorn app:app ; the web\nenvironment=A=\"1\",\n  B=\"2\"\nstopsignal: INT\n";
  CHECK(told(text, settings::read_ini(text, settings::Dialect::supervisor)) == "2:1 [program:web] command=gunicorn app:app\n3:1 [program:web] environment=A=\"1\", B=\"2\"\n5:1 [program:web] stopsignal=INT\n");
}

TEST_CASE("Dockerfiles: stages, continuations, heredocs") {
  const std::string_view text = "FROM a AS b\nRUN <<EOF\nCMD no\nEOF\nfrom c\n# x\ncmd [\"a\", \\\n  # between\n  \"b\"]\n";
  CHECK(told(text, settings::read_dockerfile(text)) == "1:1 [1] FROM=a AS b\n2:1 [1] RUN=<<EOF\n5:1 [2] FROM=c\n7:1 [2] CMD=[\"a\", \"b\"]\n");
}

TEST_CASE("Procfiles, scripts, requirements, ruby") {
  CHECK(told("", settings::read_procfile("web: gunicorn app:app\n# no\n\nworker: x\n")) == "1:1 [] web=gunicorn app:app\n4:1 [] worker=x\n");
  CHECK(told("", settings::read_script("#!/bin/sh\nexec gunicorn \\\n  -w 2\n")) == "2:1 [] exec=exec gunicorn -w 2\n");
  CHECK(told("", settings::read_requirements("requirements.txt", "Flask_Login==1\n# c\ngunicorn[gevent]>=20 # x\n")) == "1:1 [] flask-login===1\n3:1 [] gunicorn=[gevent]>=20 # x\n");
  CHECK(told("", settings::read_ruby("workers 2 # two\nbefore_fork do\n  timeout 3\nend\nif x\n  threads 1, 2\nend\n", settings::Dialect::puma)) == "1:1 [] workers=2\n2:1 [] before_fork=\n6:3 [if] threads=1, 2\n");
}

TEST_CASE("YAML: what compose files and manifests are written in") {
  CHECK(yaml("a: 1\nb:\n  - x\n  - y: 2\n    z: 3\n") == "{a:'1',b:['x',{y:'2',z:'3',},],};");
  CHECK(yaml("a:\n- x\n- y\nb: [1, 'two', \"three\"]\nc: {d: e, f: [g]}\n") == "{a:['x','y',],b:['1','two','three',],c:{d:'e',f:['g',],},};");
  CHECK(yaml("x: &base\n  a: 1\ny:\n  <<: *base\n  b: 2\nz: *base\n") == "{x:{a:'1',},y:{b:'2',a:'1',},z:{a:'1',},};");
  CHECK(yaml("a: |\n  one\n  two\nb: >\n  x\n  y\nc: d # e\n") == "{a:'one\ntwo',b:'x y',c:'d',};");
  CHECK(yaml("--- # first\na: 1\n---\nb: 2\n...\n") == "{a:'1',};{b:'2',};");
  CHECK(yaml("url: http://a:1/b\n'q k': \"v: w\"\nnull_one:\n") == "{url:'http://a:1/b',q k:'v: w',null_one:~,};");
  CHECK(yaml("a: one\n  two\nb: 3\n") == "{a:'one two',b:'3',};");
  CHECK(yaml("a: [1, 2\n") == "{a:['1','2',],}; wrong at 2: the bracket is not closed");
  CHECK(yaml("a: *no\n") == "{a:~,}; wrong at 1: this alias names no anchor");
}

TEST_CASE("YAML stays bounded") {
  CHECK(settings::read_yaml(std::string(100'000, '[')).wrong.size() == 1);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += "*a" + std::to_string(i - 1) + (k < 9 ? ", " : "]\n");
  }
  CHECK(settings::read_yaml(bomb).documents.size() == 1);
}

TEST_CASE("files are recognised by name where a tool demands it, else by content") {
  using settings::Dialect;
  CHECK(settings::recognise("/x/Dockerfile.prod", "FROM a") == Dialect::dockerfile);
  CHECK(settings::recognise("/x/docker-compose.yml", "version: '3'\nservices:\n  web:\n") == Dialect::compose);
  CHECK(settings::recognise("/x/d.yaml", "apiVersion: v1\nkind: Pod\n") == Dialect::kubernetes);
  CHECK(settings::recognise("/x/values.yaml", "a: 1\n") == Dialect::none);
  CHECK(settings::recognise("/x/site", "server {\n  listen 80;\n  location / { proxy_pass http://a; }\n}\n") == Dialect::nginx);
  CHECK(settings::recognise("/x/settings.py", "INSTALLED_APPS = []\nworkers = 3\nbind = 1\n") == Dialect::none);
  CHECK(settings::recognise("/x/gunicorn.conf.py", "workers = 3\n") == Dialect::gunicorn);
  CHECK(settings::recognise("/x/app.service", "[Service]\nExecStart=/bin/x\n") == Dialect::systemd);
  CHECK(settings::recognise("/x/README.md", "server { listen 80; }") == Dialect::none);
  CHECK(settings::template_language("/x/a.conf.j2", "listen {{ port }};") == "Jinja");
  CHECK(settings::template_language("/x/a.yaml", "image: {{ .Values.image }}\n") == "Helm or Go");
  CHECK(settings::template_language("/x/a.yaml", "host: \"{{ .Node.Hostname }}\"\n").empty());
  CHECK(settings::template_language("/x/a.conf", "log_format j '{\"a\":{\"b\":1}}';").empty());
}

TEST_CASE("uwsgi: XML, YAML and JSON say what its ini says") {
  const std::string_view xml = "<?xml version=\"1.0\"?>\n<uwsgi>\n  <!-- <no/> -->\n  <socket>/run/a&amp;b</socket>\n  <master/>\n  <socket mode=\"dev\">:1</socket>\n</uwsgi>\n";
  CHECK(told(xml, settings::read_uwsgi(xml)) == "4:4 [uwsgi] socket=/run/a&b\n5:4 [uwsgi] master=\n");
  const std::string_view yaml_text = "uwsgi:\n  socket: /run/a\n  env:\n    - A=1\n    - B=2\n";
  CHECK(told(yaml_text, settings::read_uwsgi(yaml_text)) == "2:3 [uwsgi] socket=/run/a\n3:3 [uwsgi] env=A=1\n3:3 [uwsgi] env=B=2\n");
  const std::string_view json = "{ \"uwsgi\": { \"master\": true, \"http\": \":8000\" } }";
  CHECK(told(json, settings::read_uwsgi(json)) == "1:14 [uwsgi] master=true\n1:30 [uwsgi] http=:8000\n");
  CHECK(told("", settings::read_uwsgi("[uwsgi]\nhttp = :8000\n")) == "2:1 [uwsgi] http=:8000\n");
  for (const char* broken : {"<uwsgi><socket>a</uwsgi>", "<uwsgi", "<uwsgi><!-- a", "<uwsgi>", "</uwsgi>", "<uwsgi><></uwsgi>"}) {
    INFO(broken);
    CHECK(settings::read_uwsgi(broken).wrong.size() == 1);
  }
}

TEST_CASE("ruby: brackets, heredocs and comments of several lines hold no settings") {
  const std::string_view text = "workers 2\nbefore_fork {\n  threads 9, 9\n}\nbind(\n  threads\n)\n=begin\nport 1\n=end\nlog <<~EOS\n  port 2\nEOS\nport 3 # { not this\n";
  CHECK(told(text, settings::read_ruby(text, settings::Dialect::puma)) == "1:1 [] workers=2\n2:1 [] before_fork=\n5:1 [] bind=threads\n11:1 [] log=<<~EOS\n14:1 [] port=3\n");
}

TEST_CASE("limits.conf: who, what kind, which limit") {
  const std::string_view text = "# a comment\n* soft nofile 4096\n  app - nofile 65536 # more\nshort line\n";
  CHECK(told(text, settings::read_limits(text)) == "2:1 [soft] *=nofile 4096\n3:3 [-] app=nofile 65536\n");
}

TEST_CASE("ruby: only what stands at the top level or under a condition is a setting") {
  const auto read = [](std::string_view text) { return told("", settings::read_ruby(text, settings::Dialect::puma)); };
  CHECK(read("workers 2 if ENV['A']\nport 3 unless x; tag 'b'\n") == "1:1 [if] workers=2\n2:1 [if] port=3\n2:18 [] tag='b'\n");
  CHECK(read("def f\n  port 1\nend\ndef g = 2\nfor i in [1]\n  port 2\nend\nwhile x do\n  port 3\nend\nport 4\n") == "11:1 [] port=4\n");
  CHECK(read("x = if a\n  3\nelse\n  4\nend\nports = %w[\n  port 5 do\n]\ns = \"a\nport 6\n\"\nport 7 # do\n") == "12:1 [] port=7\n");
  CHECK(read("threads 1,\n        5\nworkers(2)\nbind \"tcp://#{ENV[\"H\"]}:1\"\n") == "1:1 [] threads=1,\n        5\n3:1 [] workers=2\n4:1 [] bind=\"tcp://#{ENV[\"H\"]}:1\"\n");
  CHECK(read("begin\n  port 1\nrescue E\n  port 2\nend\ncase x\nwhen 1 then port 3\nend\n") == "2:3 [if] port=1\n4:3 [if] port=2\n7:13 [if] port=3\n");
  CHECK(settings::read_ruby("port 1 do\n", settings::Dialect::puma).wrong.size() == 1);
  CHECK(settings::read_ruby("port 1\nend\n", settings::Dialect::puma).wrong.size() == 1);
  // No bytes make it slow or run on.
  const std::string many(200'000, '\n'), open(200'000, '('), quotes(100'000, '"'), hashes = [] { std::string text; for (int i = 0; i < 50'000; ++i) text += "\"#{"; return text; }();
  for (const std::string& text : {"a" + many + ".b" + many, open, quotes, hashes, "def f" + open, "<<~A" + many}) CHECK(settings::read_ruby(text, settings::Dialect::puma).entries.size() < 3);
  // Nor one that ends anywhere: found by fuzzing behind a last `def`.
  const std::string_view whole = "a def f(x) = [1, %w[b]]\nbegin\n  port 1 if x do |y| y end\nend\ndef g(a\ncase x when 1 then <<~E\nE\nend\n:\"s#{\"t\"}\" def";
  for (std::size_t end = 0; end <= whole.size(); ++end)
    for (const auto& entry : settings::read_ruby(whole.substr(0, end), settings::Dialect::puma).entries) CHECK(entry.value_at.end <= end);
}
